"""Whom to contact: by share, budget and worth, never those who bought, with a part held out."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.errors import UserError
from rabbithole.serving.audience import Audience, audience_column, parse_audience


def parse(**options: object) -> Audience | None:
    """Return the audience of some options, the others at their defaults."""
    defaults = {"top": None, "budget": None, "worth": None, "cost": None}
    return parse_audience(**(defaults | options), default_cost=2.0, hold_out=0.1, seed=0)  # type: ignore[arg-type]


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Return 1,000 scored sessions; the scores rise, and every tenth session has bought."""
    rows = {
        "session_id": [f"s{number}" for number in range(1000)],
        "visitor": pa.nulls(1000, pa.string()),
        "probability": np.arange(1000) / 1000,
        "bought": np.arange(1000) % 10 == 9,
    }
    pq.write_table(pa.table(rows), tmp_path / "scored.parquet")
    return tmp_path / "scored.parquet"


def test_the_top_are_the_highest_scores_of_those_who_have_not_bought(scored: Path) -> None:
    chosen = audience_column(parse(top="5%"), [scored])  # type: ignore[arg-type]
    rows = np.flatnonzero(chosen.is_valid().to_numpy(zero_copy_only=False))
    assert len(rows) == 45, "5 % of the 900 sessions that have not bought"
    assert rows.min() == 950 and not any(row % 10 == 9 for row in rows)


def test_a_budget_pays_for_so_many_contacts(scored: Path) -> None:
    chosen = audience_column(parse(budget=30.0, cost=2.5), [scored])  # type: ignore[arg-type]
    assert len(chosen) - chosen.null_count == 12


def test_all_sessions_that_are_worth_a_contact_are_chosen(scored: Path) -> None:
    chosen = audience_column(parse(worth=10.0, cost=9.9), [scored])  # type: ignore[arg-type]
    rows = np.flatnonzero(chosen.is_valid().to_numpy(zero_copy_only=False))
    assert rows.tolist() == [991, 992, 993, 994, 995, 996, 997, 998]


def test_about_a_tenth_is_held_out_and_the_same_seed_draws_the_same(scored: Path) -> None:
    first, again = (audience_column(parse(top="100%"), [scored]) for _ in range(2))  # type: ignore[arg-type]
    counts = {row["values"]: row["counts"] for row in first.value_counts().to_pylist()}
    assert first.equals(again)
    assert 60 < counts["hold_out"] < 120 and counts["contact"] + counts["hold_out"] == 900


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"top": "0%"}, "--top 0%"),
        ({"top": "many"}, "--top many"),
        ({"top": "5%", "budget": 10.0}, "one of them"),
        ({"cost": 1.0}, "--cost needs"),
        ({"worth": -1.0}, "--worth -1"),
        ({"budget": 5.0, "cost": 0.0}, "--cost 0"),
        ({"budget": 5.0, "cost": math.nan}, "--cost nan"),
        ({"budget": -1.0}, "--budget -1"),
        ({"budget": math.inf}, "--budget inf"),
        ({"worth": math.nan}, "--worth nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        parse(**options)


def test_without_an_option_there_is_no_audience() -> None:
    assert parse() is None
