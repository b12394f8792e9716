"""A shop is read back exactly, and parameters that are no model are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from rabbithole.simulator.catalogue import alias_table
from rabbithole.simulator.chain import forward
from rabbithole.simulator.shop import Shop, SimulatorParameters
from rabbithole.simulator.write import load_shop

NAMES = ("yoochoose", "retailrocket")
SHOP = load_shop("yoochoose").SHOP


def changed(**changes: Any) -> Shop:
    """Return YOOCHOOSE with some parameters changed."""
    return Shop.model_validate(SHOP.model_dump() | changes)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_read_back_exactly(name: str, tmp_path: Path) -> None:
    shop = load_shop(name).SHOP
    written = SimulatorParameters(sessions=7, seed=3, items="items.parquet", shop=shop)
    written.write(tmp_path / "parameters.json")
    assert SimulatorParameters.read(tmp_path / "parameters.json") == written


@pytest.mark.parametrize("name", NAMES)
def test_every_state_ends_or_continues(name: str) -> None:
    shop = load_shop(name).SHOP
    assert shop.continuation.sum(1) + shop.ending == pytest.approx(1)
    assert shop.class_shares.sum(1) == pytest.approx(1)
    assert shop.category_shares.sum(1) == pytest.approx(np.ones(len(shop.contexts)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transition": [*SHOP.transition[:5], (0.5, 0.4, 0, 0, 0, 0)]}, "transition .* in state wander"),
        ({"context_emission": [(1.0,)] * 6}, "context_emission is not a distribution over 4"),
        ({"initial": [0.5, 0.1, 0.1, 0.1, 0.1, 0.0]}, "initial sums to 0.9, not to 1"),
        ({"leave": [0.9999, *SHOP.leave[1:]]}, r"buy \+ leave is 1.0009 in state arrive"),
        ({"tilt": SHOP.tilt[1:]}, "tilt has 5 entries, not one for each of 6 states"),
        ({"categories": SHOP.categories[1:]}, "categories does not have one entry"),
        ({"dwell_cap": float("inf")}, "finite"),
        ({"charm": 1.0}, "charm"),
    ],
)
def test_parameters_that_are_no_model_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        changed(**changes)


def test_an_alias_table_draws_each_entry_as_often_as_its_weight() -> None:
    weights = np.array([0.5, 3.0, 0.0, 1.5, 2.0])
    table = alias_table([np.ones(1), weights])
    draws = table.draw(np.full(70_000, 1), np.random.default_rng(3))
    counts = np.bincount(draws, minlength=5)
    expected = 70_000 * weights / weights.sum()
    assert counts[2] == 0
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected)).all()


def test_an_event_that_no_state_can_emit_is_refused() -> None:
    emission = np.array([[0.0, 0.0], [-np.inf, -np.inf]])
    with pytest.raises(ValueError, match="no state can emit"):
        forward(np.array([[0.5, 0.5]]), np.eye(2), emission, np.array([0, 2]))
