"""What a model leans on, asked of models that are a formula."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from rabbithole.evaluation.importance import (
    GROUP,
    field_importance,
    length_groups,
    loss,
    permuted,
    step_importance,
)
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, FIELDS, NUMERIC

EVENT, ITEM = CATEGORICAL.index("event"), CATEGORICAL.index("item")


def random_windows(seed, sessions=1499, shortest=1):
    """Return sessions of up to 30 steps with random fields; nobody buys."""
    draw = np.random.default_rng(seed)
    lengths = np.minimum(draw.geometric(0.25, sessions) + shortest - 1, 30)
    offsets = np.append(0, np.cumsum(lengths))
    codes = draw.integers(4, 9, (offsets[-1], len(CATEGORICAL))).astype(np.int32)
    numbers = draw.normal(size=(offsets[-1], len(NUMERIC))).astype(np.float32)
    numbers[offsets[:-1], 0] = np.nan
    ids = pa.array([str(i) for i in range(sessions)])
    return Windows(ids, np.zeros(sessions, np.int8), lengths.astype(np.int32), offsets, codes, numbers)


def sign_at(windows, back):
    """Return whether the event of the step so far from the end is 4, as one in five are; 1: the last."""
    return windows.codes[windows.offsets[1:] - back, EVENT] == 4


def test_a_field_that_tells_all_is_worth_all_and_one_that_is_not_read_nothing():
    windows = random_windows(0)
    windows = dataclasses.replace(windows, buyer=sign_at(windows, 1).astype(np.int8))
    rows = field_importance(lambda some: 5.0 * sign_at(some, 1), windows, np.random.default_rng(0))
    assert [row["field"] for row in rows] == list(FIELDS)
    for row in rows:
        if row["field"] == "event":
            # A sign from another session says nothing of this one: the AUC falls from 1 to 0.5.
            assert row["auc"] == 1.0
            assert row["auc_lost"]["low"] < 0.5 < row["auc_lost"]["high"]
            assert row["auc_lost"]["low"] > 0.45
            assert row["log_loss_gained"]["low"] > 0.5
        else:
            assert row["auc_lost"]["value"] == row["log_loss_gained"]["value"] == 0.0


def test_a_field_that_is_read_but_says_nothing_is_worth_nothing_within_its_interval():
    held = 0
    for seed in range(60):
        windows, draw = random_windows(seed, 499), np.random.default_rng(100 + seed)
        buyer = draw.random(len(windows)) < np.where(sign_at(windows, 1), 0.7, 0.2)
        windows = dataclasses.replace(windows, buyer=buyer.astype(np.int8))

        def ended(some):
            return 2.0 * sign_at(some, 1) + 0.3 * some.codes[some.offsets[1:] - 1, ITEM]

        every = np.ones(len(windows.codes), bool)
        after = [ended(permuted(windows, every, ("item",), draw)) for _ in range(3)]
        found = loss(windows.buyer, ended(windows), after)["auc_lost"]
        held += found["low"] <= 0.0 <= found["high"]
    assert held >= 54


def test_the_step_that_is_read_is_the_one_that_counts():
    windows = random_windows(1, shortest=3)
    windows = dataclasses.replace(windows, buyer=sign_at(windows, 2).astype(np.int8))
    rows = step_importance(lambda some: 5.0 * sign_at(some, 2), windows, np.random.default_rng(0))
    lost = {(row["from"], row["to"]): row["auc_lost"]["value"] for row in rows}
    assert lost.pop((2, 2)) == pytest.approx(0.5, abs=0.05)
    assert set(lost.values()) == {0.0}
    reached = {row["from"]: row["sessions"] for row in rows}
    assert reached[1] == reached[None] == len(windows)
    assert reached[6] == (windows.lengths >= 6).sum()


def test_steps_come_from_another_session_of_like_length_whole_and_once():
    windows = random_windows(2)
    # Each step bears its own number, each session's courses can be told.
    codes = np.repeat(np.arange(len(windows.codes), dtype=np.int32)[:, None], len(CATEGORICAL), axis=1)
    windows = dataclasses.replace(windows, codes=codes)
    group = length_groups(windows.lengths)
    assert np.bincount(group).min() >= GROUP
    assert (np.diff(group[np.argsort(windows.lengths, kind="stable")]) >= 0).all()
    every = np.ones(len(codes), bool)
    found = permuted(windows, every, ("item", "dwell"), np.random.default_rng(0))
    assert np.array_equal(np.sort(found.codes[:, ITEM]), codes[:, ITEM])
    assert np.array_equal(found.codes[:, EVENT], codes[:, EVENT])
    owner = np.repeat(np.arange(len(windows)), windows.lengths)
    origin = owner[found.codes[:, ITEM]]
    assert (group[origin] == group[owner]).all()
    assert (origin == owner).mean() < 0.05
    alone = windows.lengths[owner] == 3
    assert (np.diff(found.codes[alone, ITEM].reshape(-1, 3)) == 1).all()
    # With the course of dwell times comes that the first has none.
    assert np.isnan(found.numbers[windows.offsets[:-1][windows.lengths == 3], 0]).all()


def test_too_few_buyers_have_no_auc():
    windows = random_windows(3, 50)
    row = field_importance(lambda some: np.zeros(len(some)), windows, np.random.default_rng(0))[0]
    assert row["auc"] is row["auc_lost"] is None
    assert row["log_loss_gained"] == {"value": 0.0, "low": 0.0, "high": 0.0}
