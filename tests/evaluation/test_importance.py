"""Permutation importance of models that are a formula."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from rabbithole.evaluation.explain import (
    MIN_GROUP_SESSIONS,
    field_importance,
    length_groups,
    loss,
    permute,
    step_importance,
)
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, NUMERIC, STANDARD

EVENT, ITEM = CATEGORICAL.index("event"), CATEGORICAL.index("item")


def non_buyers(seed: int, sessions: int = 1499, shortest: int = 1) -> Windows:
    """Return sessions of up to 30 steps with random fields."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.geometric(0.25, sessions) + shortest - 1, 30)
    offsets = np.append(0, np.cumsum(lengths))
    codes = rng.integers(4, 9, (offsets[-1], len(CATEGORICAL))).astype(np.int32)
    numbers = rng.normal(size=(offsets[-1], len(NUMERIC))).astype(np.float32)
    numbers[offsets[:-1], 0] = np.nan
    ids = pa.array([str(row) for row in range(sessions)])
    return Windows(ids, np.zeros(sessions, np.int8), lengths.astype(np.int32), offsets, codes, numbers)


def sign_at(windows: Windows, back: int) -> NDArray[np.bool_]:
    """Return whether the event so far from the end is 4, as one in five are; 1: the last event."""
    return np.asarray(windows.codes[windows.offsets[1:] - back, EVENT] == 4)


def signed(back: int) -> Any:
    """Return a model that reads the sign alone."""
    return lambda windows: 5.0 * sign_at(windows, back)


def test_a_field_that_decides_has_all_the_importance_and_an_unread_field_has_none() -> None:
    windows = non_buyers(0)
    windows = dataclasses.replace(windows, buyer=sign_at(windows, 1).astype(np.int8))
    rows = field_importance(signed(1), windows, np.random.default_rng(0))
    assert [row.field for row in rows] == list(STANDARD.names)
    for row in rows:
        assert row.auc_lost is not None
        if row.field == "event":
            # A sign from another session is no information: the AUC falls from 1 to 0.5.
            assert row.auc == 1.0
            assert row.auc_lost.low < 0.5 < row.auc_lost.high
            assert row.auc_lost.low > 0.45
            assert row.log_loss_gained.low > 0.5
        else:
            assert row.auc_lost.value == row.log_loss_gained.value == 0.0


def test_the_interval_of_an_uninformative_field_contains_0() -> None:
    covered = 0
    for seed in range(60):
        windows, rng = non_buyers(seed, 499), np.random.default_rng(100 + seed)
        buyer = rng.random(len(windows)) < np.where(sign_at(windows, 1), 0.7, 0.2)
        windows = dataclasses.replace(windows, buyer=buyer.astype(np.int8))

        def ended(windows: Windows) -> NDArray[np.float64]:
            return 2.0 * sign_at(windows, 1) + 0.3 * windows.codes[windows.offsets[1:] - 1, ITEM]

        every = np.ones(len(windows.codes), bool)
        after = [ended(permute(windows, every, ("item",), rng)) for _ in range(3)]
        lost = loss(windows.buyer, ended(windows), after).auc_lost
        assert lost is not None
        covered += lost.low <= 0.0 <= lost.high
    assert covered >= 54


def test_only_the_step_that_the_model_reads_has_importance() -> None:
    windows = non_buyers(1, shortest=3)
    windows = dataclasses.replace(windows, buyer=sign_at(windows, 2).astype(np.int8))
    rows = step_importance(signed(2), windows, np.random.default_rng(0))
    lost = {(row.first, row.last): row.auc_lost.value for row in rows if row.auc_lost}
    assert len(lost) == len(rows)
    assert lost.pop((2, 2)) == pytest.approx(0.5, abs=0.05)
    assert set(lost.values()) == {0.0}
    sessions = {row.first: row.sessions for row in rows}
    assert sessions[1] == sessions[None] == len(windows)
    assert sessions[6] == (windows.lengths >= 6).sum()


def test_courses_move_between_sessions_of_similar_length_and_none_is_lost() -> None:
    windows = non_buyers(2)
    # Each step has its own number, so that its origin shows.
    codes = np.repeat(np.arange(len(windows.codes), dtype=np.int32)[:, None], len(CATEGORICAL), axis=1)
    windows = dataclasses.replace(windows, codes=codes)
    group = length_groups(windows.lengths)
    assert np.bincount(group).min() >= MIN_GROUP_SESSIONS
    assert (np.diff(group[np.argsort(windows.lengths, kind="stable")]) >= 0).all()
    every = np.ones(len(codes), bool)
    permuted = permute(windows, every, ("item", "dwell"), np.random.default_rng(0))
    assert np.array_equal(np.sort(permuted.codes[:, ITEM]), codes[:, ITEM])
    assert np.array_equal(permuted.codes[:, EVENT], codes[:, EVENT])
    session = np.repeat(np.arange(len(windows)), windows.lengths)
    origin = session[permuted.codes[:, ITEM]]
    assert (group[origin] == group[session]).all()
    assert (origin == session).mean() < 0.05
    three = windows.lengths[session] == 3
    assert (np.diff(permuted.codes[three, ITEM].reshape(-1, 3)) == 1).all()
    # A course of dwell times starts with a missing one.
    assert np.isnan(permuted.numbers[windows.offsets[:-1][windows.lengths == 3], 0]).all()


def test_too_few_buyers_have_no_auc() -> None:
    windows = non_buyers(3, 50)
    row = field_importance(lambda windows: np.zeros(len(windows)), windows, np.random.default_rng(0))[0]
    assert row.auc is row.auc_lost is None
    assert (row.log_loss_gained.value, row.log_loss_gained.low, row.log_loss_gained.high) == (0.0, 0.0, 0.0)
