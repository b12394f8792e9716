"""What a network is taught with: balance, weights of prefixes, augmentation, batches of like length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from window_fixtures import random_sessions, session, write_windows

from rabbithole.training.batching import (
    ITEM,
    Shape,
    augment_windows,
    batch_shapes,
    choose_batch_size,
    distinct_codes,
    drop_events,
    gather_steps,
    make_batch,
    make_rng,
    mask_codes,
    plan_batches,
)
from rabbithole.training.calibration import balanced_rows, class_weights, prior_shift
from rabbithole.training.data import read_encoding, read_split
from rabbithole.training.devices import FromAccelerator
from rabbithole.training.mesh import DeviceMesh
from rabbithole.training.purchase import PurchaseObjective, purchase_losses
from rabbithole.training.train_step import take_rows
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, PADDING, RARE, UNSEEN

BUYER = np.array([1] * 20 + [0] * 180, np.int8)


def windows_of(folder, rows, length=10):
    path = write_windows(folder / "windows", length=length, train=rows)
    return read_split(path, "train", read_encoding(path))


def test_undersampling_keeps_all_buyers_and_as_many_others_anew_each_epoch():
    first, second = (balanced_rows(BUYER, "undersample", seed=0, epoch=epoch) for epoch in (0, 1))
    assert BUYER[first].sum() == 20 and len(first) == len(set(first.tolist())) == 40
    assert set(first.tolist()) != set(second.tolist())


def test_oversampling_keeps_everyone_and_draws_buyers_again():
    rows = balanced_rows(BUYER, "oversample", seed=0, epoch=0)
    assert set(rows.tolist()) == set(range(200))
    assert BUYER[rows].sum() == 180 and len(rows) == 360


def test_class_weights_give_both_classes_half_of_all_weight():
    weights = class_weights(BUYER, "class_weight")
    assert weights[BUYER == 1].sum() == pytest.approx(weights[BUYER == 0].sum())
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("balance", ["undersample", "oversample", "class_weight"])
def test_the_shift_undoes_a_balance(balance):
    """Sessions alike of which 30 % buy: in the balanced set their odds are 180 / 20 times as high."""
    balanced_odds = 0.3 / 0.7 * 180 / 20
    assert expit(np.log(balanced_odds) + prior_shift(BUYER, balance)) == pytest.approx(0.3)


def test_a_session_s_prefixes_share_its_weight_by_one_over_k():
    """Against the sum written out: logits differ by step and column, two sessions, one of weight 3."""
    logits = jnp.array(np.random.default_rng(0).normal(size=(2, 3, 2)), jnp.float32)
    buyer, lengths, weights = (np.array(values) for values in ([1.0, 0.0], [3, 2], [1.0, 3.0]))

    def cost(logit, label):
        return -np.log(expit(logit)) if label else -np.log(1 - expit(logit))

    expected = ended = 0.0
    for n in range(2):
        end = cost(float(logits[n, lengths[n] - 1, 1]), buyer[n])
        ended += weights[n] * end
        prefixes = sum(cost(float(logits[n, k - 1, 0]), buyer[n]) / k for k in range(1, lengths[n] + 1))
        expected += weights[n] * (0.5 * end + 0.5 * prefixes)
    arguments = (logits, jnp.array(buyer), jnp.array(lengths), jnp.array(weights))
    assert np.allclose(purchase_losses(*arguments, prefixes=True), (expected, ended), rtol=1e-5)
    assert np.allclose(purchase_losses(*arguments, prefixes=False), (ended, ended), rtol=1e-5)


def test_dropping_events_keeps_the_last_and_the_order(tmp_path):
    rows = [session(f"s{n}", n % 2, list(range(4, 4 + 8))) for n in range(200)]
    windows = windows_of(tmp_path, rows)
    shape = batch_shapes(length=10, batch_size=250)[-1]
    batch = make_batch(windows, np.arange(shape.sessions), shape)
    dropped = drop_events(batch, make_rng(0).random(batch.steps.shape), 0.5)
    assert 3.5 < dropped.lengths.mean() < 5.5
    item = CATEGORICAL.index("item")
    for length, codes in zip(dropped.lengths, gather_steps(windows, dropped)[0][..., item], strict=True):
        kept = codes[:length]
        assert kept[-1] == 11 and (np.diff(kept) > 0).all() and (codes[length:] == PADDING).all()
    whole = augment_windows(windows, make_rng(0), unseen_share=0.0, event_dropout=0.5)
    for start, end in zip(whole.offsets[:-1], whole.offsets[1:], strict=True):
        kept = whole.codes[start:end, item]
        assert kept[-1] == 11 and (np.diff(kept) > 0).all()
    assert 3.5 < whole.lengths.mean() < 5.5


def test_an_accelerator_drops_events_as_the_processor_does(tmp_path):
    """The last event and the order stay, codes and numbers fit together, and answers know what is left."""
    items = [list(range(4, 4 + 1 + n % 8)) for n in range(200)]
    rows = [session(f"s{n:03d}", n % 2, each, dwell=list(map(float, each))) for n, each in enumerate(items)]
    windows = windows_of(tmp_path, rows)
    batch = make_batch(windows, np.arange(200), Shape(230, 8))
    codes, numbers, (lengths, buyer, weights) = from_accelerator(windows, batch, event_dropout=0.5)
    lengths, items = np.asarray(lengths), np.asarray(codes)[..., ITEM]
    assert 0.5 < lengths[:200].sum() / batch.lengths.sum() < 0.75 and (lengths[200:] == 0).all()
    for length, kept, dwell, whole in zip(
        lengths, items, np.asarray(numbers)[..., 0], batch.lengths, strict=True
    ):
        assert (np.diff(kept[:length]) > 0).all() and (kept[length:] == PADDING).all()
        assert length == 0 or kept[length - 1] == whole + 3
        assert (dwell == kept).all()
    assert np.asarray(buyer)[:200].tolist() == [n % 2 for n in range(200)]
    assert np.asarray(weights).tolist() == [1] * 200 + [0] * 30


def hidden_by(feed, windows, batch, share):
    """Return a batch's codes of which a share is hidden, by the processor or on an accelerator."""
    if feed == "host":
        return mask_codes(gather_steps(windows, batch)[0], make_rng(0), share)
    codes, numbers, _ = from_accelerator(windows, batch, unseen_share=share)
    np.testing.assert_array_equal(numbers, gather_steps(windows, batch)[1])
    return np.asarray(codes)


def from_accelerator(windows, batch, *, unseen_share=0.0, event_dropout=0.0):
    """Return codes, numbers and answers of a batch as they are made on an accelerator."""
    task = PurchaseObjective(windows, windows, balance="none", prefixes=True)
    how = {"items": 100, "unseen_share": unseen_share, "event_dropout": event_dropout}
    feed = FromAccelerator(task, DeviceMesh(), **how)
    rows = batch.rows[batch.rows >= 0]
    sent, _ = feed.send(rows, Shape(*batch.steps.shape), make_rng(0))
    return feed.receive(jax.random.key(0), *sent)


@pytest.mark.parametrize("feed", ["host", "accelerator"])
def test_a_share_of_codes_becomes_unseen_and_padding_stays(feed, tmp_path):
    windows = windows_of(tmp_path, random_sessions(1500, np.random.default_rng(0), prefix="s"))
    shape = batch_shapes(length=10, batch_size=1500)[-1]
    batch = make_batch(windows, np.arange(shape.sessions), shape)
    codes, numbers = gather_steps(windows, batch)
    hidden = hidden_by(feed, windows, batch, 0.2)
    inside = np.arange(shape.steps) < batch.lengths[:, None]
    share = (hidden[inside] == UNSEEN).mean(axis=0)
    # The processor draws places with repeats: a little fewer than 20 %, in every field alike.
    assert (share > 0.15).all() and (share < 0.23).all()
    assert (hidden[~inside] == PADDING).all() and (numbers[~inside] == 0).all()
    assert (hidden[hidden != codes] == UNSEEN).all()


@pytest.mark.parametrize("feed", ["host", "accelerator"])
def test_half_of_the_rare_items_become_unseen(feed, tmp_path):
    rows = [session(f"s{number:04d}", 0, [RARE, 9, RARE, 9]) for number in range(1000)]
    codes = np.array([[RARE, 9, RARE, 9]] * 1000, np.int32)
    windows = windows_of(tmp_path, rows)
    items = hidden_by(feed, windows, make_batch(windows, np.arange(1000), Shape(1000, 4)), 1e-9)[..., ITEM]
    assert 0.46 < (items == UNSEEN)[codes == RARE].mean() < 0.54
    assert (items == codes)[items != UNSEEN].all() and (items[codes == 9] == 9).all()


def test_every_session_comes_once_an_epoch_in_a_shape_that_holds_it():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 101, 5000)
    kinds = batch_shapes(length=100, batch_size=256)
    assert kinds[-1].steps == 100 and len(kinds) <= 7
    first, again, other = (
        plan_batches(lengths, np.arange(5000), kinds, make_rng(0, epoch)) for epoch in (0, 0, 1)
    )
    assert sorted(np.concatenate([rows for _, rows in first]).tolist()) == list(range(5000))
    for shape, rows in first:
        assert len(rows) <= shape.sessions and lengths[rows].max() <= shape.steps
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("sessions", "expected"), [(200_000, 1024), (30_000, 512), (1_000, 32)])
def test_few_sessions_are_learned_in_smaller_batches(sessions, expected):
    lengths = np.random.default_rng(0).geometric(0.3, sessions).clip(max=100)
    rows = np.arange(sessions)
    batch_size, kinds = choose_batch_size(lengths, rows, length=100, batch_size=1024, fewest=100)
    assert batch_size == expected
    assert kinds[0].sessions == batch_size
    if batch_size > 32:
        assert len(plan_batches(lengths, rows, kinds)) >= 100
    if batch_size < 1024:
        assert (
            len(
                plan_batches(
                    lengths, rows, batch_shapes(length=100, batch_size=2 * batch_size, sessions=sessions)
                )
            )
            < 100
        )


@pytest.mark.parametrize("special", [PADDING, MISSING, UNSEEN, RARE])
def test_a_batch_s_own_items_are_looked_up_as_in_the_whole_table(special):
    """A network tells items without a code of their own by their codes: those stay what they are."""
    table = np.random.default_rng(0).normal(size=(40, 3))
    codes = np.array([[30, 7, 30], [special, 12, FIRST_VALUE]], np.int32)
    items, places = distinct_codes(codes, len(table))
    np.testing.assert_array_equal(
        np.asarray(take_rows(jnp.array(table), items))[places], np.float32(table)[codes]
    )
    np.testing.assert_array_equal(places < FIRST_VALUE, codes < FIRST_VALUE)
    assert places[1, 0] == special
