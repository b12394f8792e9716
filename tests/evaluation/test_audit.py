"""The audit on leaks planted in windows: it must name the field or the step, and nothing where nothing is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import Row, random_windows, window, write_windows

from rabbithole.studies.leak_probe import probe_leaks

SETTINGS = {
    "embedding_width": 4,
    "width": 8,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}
TRAINING = {"batch_size": 64, "epochs": 3, "patience": 3, "unseen_share": 0.0}


def nothing(row: Row) -> None:
    """Leave a session as it is."""


def the_purchase_and_the_time_up_to_it(row: Row) -> None:
    """The last event of a buyer is of a kind of its own, and comes after a longer time."""
    row["event"] = [4] * (row["events"] - 1) + [6 if row["buyer"] else 4]
    row["dwell"] = [0.3] * (row["events"] - 1) + [2.0 if row["buyer"] else 0.3]


PLANTED = {
    "nothing": (nothing, []),
    "the purchase": (
        the_purchase_and_the_time_up_to_it,
        ["field event alone", "field dwell alone", "last event"],
    ),
}


def audited(folder: Path, rows: dict[str, list[Row]]) -> dict[str, Any]:
    """Return what an audit of these sessions tells."""
    probe_leaks(
        model="gru",
        settings=SETTINGS,
        training=TRAINING,
        windows=write_windows(folder / "windows", **rows),
        sessions=10_000,
        seed=0,
        output=folder / "audit.json",
    )
    told: dict[str, Any] = json.loads((folder / "audit.json").read_text())
    return told


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_named(leak: str, tmp_path: Path) -> None:
    plant, expected = PLANTED[leak]
    rng = np.random.default_rng(0)
    rows = {}
    for split, count in (("train", 1200), ("valid", 300), ("test", 600)):
        rows[split] = random_windows(count, rng, prefix=split, longest=5)
        for row in rows[split]:
            plant(row)
    told = audited(tmp_path, rows)
    assert len(told["probes"]) == 3 + 2 * 9 + 2
    for phrase in expected:
        assert any(phrase in finding for finding in told["findings"]), told
    fields = [finding for finding in told["findings"] if "alone" in finding]
    assert len(fields) == sum("alone" in phrase for phrase in expected), told
    if not expected:
        assert told["findings"] == []


def test_sessions_of_test_in_train_are_named(tmp_path: Path) -> None:
    """A network that knows test's sessions by heart foretells any labels that they are given.

    None of them has a last event that could be left out.
    """
    known = [window(f"{week:02}", int(week % 3 == 0), [4], week=[week]) for week in range(4, 57)]
    told = audited(tmp_path, dict.fromkeys(("train", "valid", "test"), known * 25))
    assert any("shuffled labels" in finding for finding in told["findings"]), told
