"""Golden values: the losses of the first train steps, for each network, target and size of item table."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from factories import SIZES, network_settings, network_training, random_windows, write_windows

from rabbithole.artifacts.data import Fields
from rabbithole.specs.training import AugmentationSpec, Target
from rabbithole.training.loop import start
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.train_step import objective_class
from rabbithole.training.trainer import Trainer, make_trainer
from rabbithole.windows.arrays import Encoding, Windows, read_encoding
from rabbithole.windows.fields import FIRST_VALUE

LENGTH = 5
GOLDEN: dict[tuple[str, Target, int], list[float]] = {
    ("gru", "buyer", 31): [0.73557693, 0.73557693, 0.72550112],
    ("gru", "buyer", 211): [0.73557693, 0.73557693, 0.72552675],
    ("gru", "next_event", 31): [2.6783102, 2.6783102, 2.6080782],
    ("dilated_conv", "buyer", 31): [0.73472214, 0.73472214, 0.71683073],
    ("dilated_conv", "next_event", 31): [2.6691895, 2.6691895, 2.5257194],
    ("lstm", "buyer", 31): [0.73722696, 0.73722696, 0.73086047],
}
"""Loss before the first, second and third update, by model, target and number of item codes.

The first update has a learning rate of 0. Only a change of the arithmetic may change these numbers.
"""


def make(windows: Path, model: str, target: Target, **training: Any) -> Trainer:
    """Return a trainer without any randomness: no dropout, no masks, and weights from a formula."""
    encoding = read_encoding(windows)
    objective = objective_class(target).read(
        windows,
        encoding,
        balance="none",
        augmentation=AugmentationSpec(prefixes=True, event_dropout=0.0),
    )
    trainer = make_trainer(
        model,
        network_settings(dropout=0.0, layers=2),
        network_training(unseen_share=0.0, **training),
        objective,
        encoding,
        event_dropout=0.0,
        seed=0,
    )

    def formula(leaf: jax.Array) -> jax.Array:
        return 0.3 * jnp.sin(jnp.arange(leaf.size, dtype=jnp.float32)).reshape(leaf.shape)

    state = trainer.progress.state
    weights, table = jax.tree.map(formula, (state.weights, state.table))
    trainer.progress = start(trainer, type(state)(weights, table, *list(vars(state).values())[2:]))
    return trainer


FAST = (("gru", "buyer", 211), ("dilated_conv", "next_event", 31))
CASES = [pytest.param(*case, marks=[] if case in FAST else [pytest.mark.slow]) for case in GOLDEN]


@pytest.mark.parametrize(("model", "target", "items"), CASES)
def test_the_losses_of_the_first_steps_are_golden(
    model: str, target: Target, items: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    rows = {name: random_windows(97, rng, prefix=name, longest=LENGTH) for name in ("train", "valid")}
    windows = write_windows(
        tmp_path / "windows",
        length=LENGTH,
        sizes=SIZES | {"item": items},
        vocabularies={"event": ["a", "b", "c"], "category": ["d", "e"]},
        **rows,
    )
    trainer = make(windows, model, target)
    state, batch = trainer.progress.state, trainer.batches(0)[0]
    losses = []
    for number in range(3):
        before = np.asarray(state.sums)
        state = trainer.train_batch(state, batch, epoch=0, number=number)
        change = np.asarray(state.sums) - before
        losses.append(float(change[0] / change[1]))
    assert losses == pytest.approx(GOLDEN[model, target, items], rel=1e-5)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6) and losses[2] < losses[1]


# More items than a table that is looked up as a whole.
SIZES_OF = {"event": 7, "item": 300, "brand": 9}


@pytest.mark.parametrize(
    "fields",
    [
        Fields(categorical=("item",), numeric=()),
        Fields(categorical=(), numeric=("dwell",)),
        Fields(categorical=("event", "brand"), numeric=("cost", "weight")),
    ],
)
def test_a_network_learns_from_any_fields(fields: Fields) -> None:
    """One session in two buys, as its last step's first field shows; any other field may be missing."""
    rng = np.random.default_rng(0)
    buyer = np.arange(400) % 2
    codes = np.full((800, len(fields.categorical)), FIRST_VALUE, np.int32)
    numbers = rng.normal(size=(800, len(fields.numeric))).astype(np.float32)
    if fields.categorical:
        codes[1::2, 0] += buyer.astype(np.int32)
    else:
        numbers[1::2, 0] = 2.0 * buyer - 1.0
    windows = Windows(
        pa.array([f"{n:03}" for n in range(400)]),
        buyer.astype(np.int8),
        np.full(400, 2, np.int32),
        np.arange(401) * 2,
        codes,
        numbers,
        fields,
    )
    objective = PurchaseObjective(windows, windows, balance="none", prefixes=False)
    trainer = make_trainer(
        "gru",
        network_settings(dropout=0.0),
        network_training(epochs=10, patience=10),
        objective,
        Encoding(fields, {field: SIZES_OF[field] for field in fields.categorical}, 2, []),
        event_dropout=0.0,
        seed=0,
    )
    trainer.run()
    assert trainer.progress.rows[-1]["valid_auc"] > 0.99


def test_a_large_train_is_passed_over_in_parts_one_an_epoch(tmp_path: Path) -> None:
    """Each session comes once before any comes twice, in another order in each pass."""
    rng = np.random.default_rng(0)
    splits = {split: random_windows(100, rng, prefix=split, longest=LENGTH) for split in ("train", "valid")}
    windows = write_windows(tmp_path / "windows", length=LENGTH, **splits)
    trainer = make(windows, "gru", "buyer", epoch_sessions=40)
    epochs = [np.concatenate([rows for _, rows in trainer.batches(epoch)]) for epoch in range(6)]
    assert [len(rows) for rows in epochs] == [34, 33, 33] * 2
    for passed in (epochs[:3], epochs[3:]):
        assert sorted(np.concatenate(passed).tolist()) == list(range(100))
    assert set(epochs[0].tolist()) != set(epochs[3].tolist())
