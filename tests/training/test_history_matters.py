"""A log where only history predicts: who bought before buys again, and all sessions are alike."""

import numpy as np
import pyarrow as pa
import pytest
from factories import network_settings, network_training

from rabbithole.artifacts.data import Fields
from rabbithole.models.gradient_boosting import Model, Settings
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.trainer import make_trainer
from rabbithole.windows.arrays import Encoding, Windows
from rabbithole.windows.fields import FIRST_VALUE

FIELDS = Fields(categorical=("event",), numeric=())
VIEW, PURCHASE = FIRST_VALUE, FIRST_VALUE + 1
EARLIER, OWN = 3, 2


def visits(count: int, rng: np.random.Generator, *, history: bool) -> Windows:
    """Return sessions of two views after three earlier events, among them a purchase if they end with one."""
    buyer = rng.integers(0, 2, count).astype(np.int8)
    codes = np.full((count, EARLIER + OWN), VIEW, np.int32)
    codes[np.arange(count), rng.integers(0, EARLIER, count)] += buyer
    codes = codes if history else codes[:, EARLIER:]
    return Windows(
        pa.array([f"{n:04}" for n in range(count)]),
        buyer,
        np.full(count, OWN, np.int32),
        np.arange(count + 1) * codes.shape[1],
        codes.reshape(-1, 1),
        np.empty((codes.size, 0), np.float32),
        FIELDS,
        np.full(count, EARLIER if history else 0, np.int32),
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "dilated_conv"])
@pytest.mark.parametrize("history", [True, False])
def test_a_network_knows_who_bought_before_only_with_history(model: str, *, history: bool) -> None:
    rng = np.random.default_rng(0)
    train, valid = (visits(count, rng, history=history) for count in (600, 300))
    objective = PurchaseObjective(train, valid, balance="none", prefixes=True)
    trainer = make_trainer(
        model,
        network_settings(dropout=0.0),
        network_training(epochs=6, patience=6),
        objective,
        Encoding(FIELDS, {"event": PURCHASE + 1}, EARLIER + OWN, []),
        event_dropout=0.0,
        seed=0,
    )
    trainer.run()
    check(trainer.progress.rows[-1]["valid_auc"], history=history)


@pytest.mark.parametrize("history", [True, False])
def test_boosting_knows_who_bought_before_only_with_history(*, history: bool) -> None:
    rng = np.random.default_rng(0)
    train, valid = (visits(count, rng, history=history) for count in (600, 300))
    model = Model(Settings(), seed=0)
    rows = model.fit(train, np.ones(len(train)), valid, prefixes=True, shift=0.0)
    check(rows[-1].valid_auc, history=history)


def check(auc: float | None, *, history: bool) -> None:
    """Check that a model ranks well with history, and like chance without it."""
    assert auc is not None
    if history:
        assert auc > 0.95
    else:
        assert abs(auc - 0.5) < 0.1
