"""Windows with history: losses, scores, features and labels count the session's own steps alone."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import random_windows, write_windows

from rabbithole.evaluation.explain import journeys
from rabbithole.models.features.matrix import FeatureMatrix
from rabbithole.models.features.steps import Prefixes
from rabbithole.training.batch_source import DeviceBatches, HostBatches
from rabbithole.training.batching import Shape, augment_windows, drop_events, make_batch, make_rng
from rabbithole.training.loop import DeviceMesh
from rabbithole.training.purchase import PurchaseObjective, network_logits, purchase_losses
from rabbithole.windows.arrays import Windows, read_encoding, read_split
from rabbithole.windows.fields import CATEGORICAL, NUMERIC
from rabbithole.windows.next_events import IGNORED, Classes, next_event_labels

SHAPE = Shape(40, 10)


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    """Return windows of which a random part of all steps but the last is history."""
    rng = np.random.default_rng(0)
    folder = write_windows(tmp_path / "windows", length=10, train=random_windows(40, rng, prefix="s"))
    windows = read_split(folder, "train", read_encoding(folder))
    history = (rng.random(len(windows)) * windows.lengths).astype(np.int32)
    assert history.any() and (history == 0).any()
    return dataclasses.replace(windows, history=history)


def without_history(windows: Windows) -> Windows:
    """Return the windows with their own steps alone."""
    own = np.arange(len(windows.codes)) >= np.repeat(windows.offsets[:-1] + windows.history, windows.lengths)
    return dataclasses.replace(
        windows,
        history=np.zeros(len(windows), np.int32),
        offsets=np.append(0, np.cumsum(windows.present)),
        codes=windows.codes[own],
        numbers=windows.numbers[own],
    )


def test_no_step_of_the_history_is_a_prefix_in_the_loss() -> None:
    logits = jnp.array(np.random.default_rng(0).normal(size=(2, 5, 2)), jnp.float32)
    labels, weights = jnp.array([1.0, 0.0]), jnp.array([1.0, 3.0])
    for prefixes in (True, False):
        with_history = purchase_losses(
            logits, labels, jnp.array([5, 4]), weights, jnp.array([2, 2]), prefixes=prefixes
        )
        alone = purchase_losses(logits[:, 2:], labels, jnp.array([3, 2]), weights, prefixes=prefixes)
        assert np.allclose(with_history, alone, rtol=1e-6)


def test_targets_count_the_history_that_augmentation_left(windows: Windows) -> None:
    objective = PurchaseObjective(windows, windows, balance="none", prefixes=True)
    batch = make_batch(windows, np.arange(len(windows)), SHAPE)
    arrays = objective.target_arrays()
    assert objective.batch_targets(batch, *arrays)[3].tolist() == windows.history.tolist()
    dropped = drop_events(batch, make_rng(0).random(batch.steps.shape), 0.5)
    left = objective.batch_targets(dropped, *arrays)[3]
    own = (windows.offsets[:-1] + windows.history)[:, None]
    assert left.tolist() == ((dropped.steps >= 0) & (dropped.steps < own)).sum(1).tolist()
    assert 0 < left.sum() < windows.history.sum()


@pytest.mark.parametrize("on_device", [False, True])
def test_half_of_the_sessions_of_a_batch_lose_their_whole_history(windows: Windows, on_device: bool) -> None:
    objective = PurchaseObjective(windows, windows, balance="none", prefixes=True)
    options = {"unseen_share": 0.0, "event_dropout": 0.0}
    source = (
        DeviceBatches(objective, DeviceMesh(), **options)
        if on_device
        else HostBatches(objective, DeviceMesh(), item_count=10, **options)
    )
    rows = np.arange(len(windows))
    arrays, _ = source.prepare_batch(rows, SHAPE, make_rng(0))
    codes, _, (lengths, _, _, history) = source.materialise(jax.random.key(0), *arrays)
    own = np.asarray(lengths - history)
    assert own.tolist() == windows.present.tolist()
    with_history = windows.history > 0
    left = np.asarray(history)[with_history]
    assert ((left == 0) | (left == windows.history[with_history])).all()
    assert 0.2 < np.mean(left == 0) < 0.8
    for row in rows:
        steps = np.asarray(codes)[row, : int(lengths[row])]
        end = windows.offsets[row + 1]
        np.testing.assert_array_equal(steps, windows.codes[end - len(steps) : end])


def test_without_history_the_targets_are_what_they_were(windows: Windows) -> None:
    alone = without_history(windows)
    objective = PurchaseObjective(alone, alone, balance="none", prefixes=True)
    assert len(objective.target_arrays()) == 2


def test_a_network_s_score_after_k_events_is_that_of_the_session_s_own_step_k(windows: Windows) -> None:
    steps = [0, 1, 2, 4]
    logits = np.random.default_rng(1).normal(size=(len(windows), 10, 2)).astype(np.float32)
    out = network_logits(
        lambda *_: iter([(np.arange(len(windows)), logits)]), windows, steps, shapes=[SHAPE], running=0
    )
    for n in range(len(windows)):
        assert out[0, n] == logits[n, windows.lengths[n] - 1, 1]
        for row, step in enumerate(steps[1:], 1):
            if windows.present[n] >= step:
                assert out[row, n] == logits[n, windows.history[n] + step - 1, 0]
            else:
                assert np.isnan(out[row, n])


def test_features_of_own_steps_do_not_depend_on_the_history(windows: Windows) -> None:
    alone = without_history(windows)
    matrix, _ = FeatureMatrix.fit(alone)
    # The time before a session's first step is the pause since the session before, which it does not have.
    alone.numbers[alone.offsets[:-1][windows.history > 0], NUMERIC.index("dwell")] = np.nan
    for steps in (windows.present, np.ones(len(windows), np.int64)):
        prefixes = Prefixes(np.arange(len(windows)), steps)
        np.testing.assert_array_equal(matrix(windows, prefixes), matrix(alone, prefixes))


def test_an_augmented_split_keeps_the_history_apart(windows: Windows) -> None:
    item = CATEGORICAL.index("item")
    marked = windows.codes.copy()
    own = np.arange(len(marked)) >= np.repeat(windows.offsets[:-1] + windows.history, windows.lengths)
    marked[:, item] = np.where(own, 5, 4)
    augmented = augment_windows(
        dataclasses.replace(windows, codes=marked), make_rng(0), unseen_share=0.0, event_dropout=0.5
    )
    assert augmented.lengths.sum() < windows.lengths.sum()
    assert (augmented.present >= 1).all()
    expected = np.concatenate(
        [[4] * earlier + [5] * own for earlier, own in zip(augmented.history, augmented.present, strict=True)]
    )
    np.testing.assert_array_equal(augmented.codes[:, item], expected)


def test_no_step_of_the_history_has_a_next_event_to_predict(windows: Windows) -> None:
    classes = Classes(("view", "purchase", "end"), ())
    labels, _ = next_event_labels(windows, classes, 10)
    own = np.arange(len(labels)) >= np.repeat(windows.offsets[:-1] + windows.history, windows.lengths)
    assert (labels[~own] == IGNORED).all()
    alone, _ = next_event_labels(without_history(windows), classes, 10)
    np.testing.assert_array_equal(labels[own], alone)


def test_a_journey_shows_the_session_s_own_steps(windows: Windows) -> None:
    uncut = dataclasses.replace(windows, events=windows.present.astype(np.int32))

    def logits(part: Windows, steps: list[int]) -> np.ndarray:
        sums = np.array([sum(map(ord, name.as_py())) for name in part.session_id])
        out = np.sin(sums + np.array(steps)[:, None])
        return np.where(part.present >= np.array(steps)[:, None], out, np.nan)

    shown = journeys(logits, uncut, ["view"] * 30)
    assert shown and shown == journeys(logits, without_history(uncut), ["view"] * 30)
