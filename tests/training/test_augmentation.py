"""Augmentation: dropped events and masked codes, on the host and on an accelerator."""

import jax
import numpy as np
import pytest
from factories import random_windows, window, write_windows

from rabbithole.training.batch_source import DeviceBatches
from rabbithole.training.batching import (
    Shape,
    augment_windows,
    batch_shapes,
    drop_events,
    gather_steps,
    make_batch,
    make_rng,
    mask_codes,
    rare_columns,
)
from rabbithole.training.loop import DeviceMesh
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.windows.arrays import read_encoding, read_split
from rabbithole.windows.fields import CATEGORICAL, PADDING, RARE, UNSEEN

ITEM = CATEGORICAL.index("item")


def windows_of(folder, rows, length=10):
    path = write_windows(folder / "windows", length=length, train=rows)
    return read_split(path, "train", read_encoding(path))


def on_device(windows, batch, *, unseen_share=0.0, event_dropout=0.0):
    """Return codes, numbers and targets of a batch as an accelerator builds them."""
    objective = PurchaseObjective(windows, windows, balance="none", prefixes=True)
    source = DeviceBatches(objective, DeviceMesh(), unseen_share=unseen_share, event_dropout=event_dropout)
    rows = batch.rows[batch.rows >= 0]
    arrays, _ = source.prepare_batch(rows, Shape(*batch.steps.shape), make_rng(0))
    return source.materialise(jax.random.key(0), *arrays)


def masked_codes(source, windows, batch, share):
    """Return a batch's codes of which a share is masked, on the host or on an accelerator."""
    if source == "host":
        return mask_codes(gather_steps(windows, batch)[0], make_rng(0), share, rare_columns(windows.fields))
    codes, numbers, _ = on_device(windows, batch, unseen_share=share)
    np.testing.assert_array_equal(numbers, gather_steps(windows, batch)[1])
    return np.asarray(codes)


def test_dropping_events_keeps_the_last_one_and_the_order(tmp_path):
    rows = [window(f"s{n}", n % 2, list(range(4, 4 + 8))) for n in range(200)]
    windows = windows_of(tmp_path, rows)
    shape = batch_shapes(length=10, batch_size=250)[-1]
    batch = make_batch(windows, np.arange(shape.sessions), shape)
    dropped = drop_events(batch, make_rng(0).random(batch.steps.shape), 0.5)
    assert 3.5 < dropped.lengths.mean() < 5.5
    for length, codes in zip(dropped.lengths, gather_steps(windows, dropped)[0][..., ITEM], strict=True):
        kept = codes[:length]
        assert kept[-1] == 11 and (np.diff(kept) > 0).all() and (codes[length:] == PADDING).all()
    augmented = augment_windows(windows, make_rng(0), unseen_share=0.0, event_dropout=0.5)
    for start, end in zip(augmented.offsets[:-1], augmented.offsets[1:], strict=True):
        kept = augmented.codes[start:end, ITEM]
        assert kept[-1] == 11 and (np.diff(kept) > 0).all()
    assert 3.5 < augmented.lengths.mean() < 5.5


def test_an_accelerator_drops_events_as_the_host_does(tmp_path):
    """The last event and the order stay, codes and numbers match, and targets count what is left."""
    items = [list(range(4, 4 + 1 + n % 8)) for n in range(200)]
    rows = [window(f"s{n:03d}", n % 2, each, dwell=list(map(float, each))) for n, each in enumerate(items)]
    windows = windows_of(tmp_path, rows)
    batch = make_batch(windows, np.arange(200), Shape(230, 8))
    codes, numbers, (lengths, buyer, weights) = on_device(windows, batch, event_dropout=0.5)
    lengths, items = np.asarray(lengths), np.asarray(codes)[..., ITEM]
    assert 0.5 < lengths[:200].sum() / batch.lengths.sum() < 0.75 and (lengths[200:] == 0).all()
    for length, kept, dwell, before in zip(
        lengths, items, np.asarray(numbers)[..., 0], batch.lengths, strict=True
    ):
        assert (np.diff(kept[:length]) > 0).all() and (kept[length:] == PADDING).all()
        assert length == 0 or kept[length - 1] == before + 3
        assert (dwell == kept).all()
    assert np.asarray(buyer)[:200].tolist() == [n % 2 for n in range(200)]
    assert np.asarray(weights).tolist() == [1] * 200 + [0] * 30


@pytest.mark.parametrize("source", ["host", "device"])
def test_a_share_of_codes_becomes_unseen_and_padding_stays(source, tmp_path):
    windows = windows_of(tmp_path, random_windows(1500, np.random.default_rng(0), prefix="s"))
    shape = batch_shapes(length=10, batch_size=1500)[-1]
    batch = make_batch(windows, np.arange(shape.sessions), shape)
    codes, numbers = gather_steps(windows, batch)
    masked = masked_codes(source, windows, batch, 0.2)
    inside = np.arange(shape.steps) < batch.lengths[:, None]
    share = (masked[inside] == UNSEEN).mean(axis=0)
    # The host draws places with repeats: a little less than 20 %, in every field alike.
    assert (share > 0.15).all() and (share < 0.23).all()
    assert (masked[~inside] == PADDING).all() and (numbers[~inside] == 0).all()
    assert (masked[masked != codes] == UNSEEN).all()


@pytest.mark.parametrize("source", ["host", "device"])
def test_half_of_the_rare_items_become_unseen(source, tmp_path):
    rows = [window(f"s{number:04d}", 0, [RARE, 9, RARE, 9]) for number in range(1000)]
    codes = np.array([[RARE, 9, RARE, 9]] * 1000, np.int32)
    windows = windows_of(tmp_path, rows)
    batch = make_batch(windows, np.arange(1000), Shape(1000, 4))
    items = masked_codes(source, windows, batch, 1e-9)[..., ITEM]
    assert 0.46 < (items == UNSEEN)[codes == RARE].mean() < 0.54
    assert (items == codes)[items != UNSEEN].all() and (items[codes == 9] == 9).all()
