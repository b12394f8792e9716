"""Batches: every session once an epoch, in a shape that holds it, fixed by seed and epoch."""

import jax.numpy as jnp
import numpy as np
import pytest

from rabbithole.training.batching import (
    batch_shapes,
    choose_batch_size,
    distinct_codes,
    make_rng,
    plan_batches,
)
from rabbithole.training.train_step import take_rows
from rabbithole.windows.fields import FIRST_VALUE, MISSING, PADDING, RARE, UNSEEN


def test_every_session_comes_once_an_epoch_in_a_shape_that_holds_it():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 101, 5000)
    shapes = batch_shapes(length=100, batch_size=256)
    assert shapes[-1].steps == 100 and len(shapes) <= 7
    first, again, other = (
        plan_batches(lengths, np.arange(5000), shapes, make_rng(0, epoch)) for epoch in (0, 0, 1)
    )
    assert sorted(np.concatenate([rows for _, rows in first]).tolist()) == list(range(5000))
    for shape, rows in first:
        assert len(rows) <= shape.sessions and lengths[rows].max() <= shape.steps
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("sessions", "expected"), [(200_000, 1024), (30_000, 512), (1_000, 32)])
def test_few_sessions_make_smaller_batches(sessions, expected):
    lengths = np.random.default_rng(0).geometric(0.3, sessions).clip(max=100)
    rows = np.arange(sessions)
    batch_size, shapes = choose_batch_size(lengths, rows, length=100, batch_size=1024, min_batches=100)
    assert batch_size == expected
    assert shapes[0].sessions == batch_size
    if batch_size > 32:
        assert len(plan_batches(lengths, rows, shapes)) >= 100
    if batch_size < 1024:
        larger = batch_shapes(length=100, batch_size=2 * batch_size, sessions=sessions)
        assert len(plan_batches(lengths, rows, larger)) < 100


@pytest.mark.parametrize("special", [PADDING, MISSING, UNSEEN, RARE])
def test_a_batch_s_own_item_table_gives_the_same_rows_as_the_full_table(special):
    """A network recognises items without a code of their own by their codes: those must not change."""
    table = np.random.default_rng(0).normal(size=(40, 3))
    codes = np.array([[30, 7, 30], [special, 12, FIRST_VALUE]], np.int32)
    items, index = distinct_codes(codes, len(table))
    np.testing.assert_array_equal(
        np.asarray(take_rows(jnp.array(table), items))[index], np.float32(table)[codes]
    )
    np.testing.assert_array_equal(index < FIRST_VALUE, codes < FIRST_VALUE)
    assert index[1, 0] == special
