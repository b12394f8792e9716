"""Ways to train, side by side: each balance, each augmentation, and a network for one moment alone."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.evaluation.delong import paired_test, placements
from rabbithole.evaluation.evaluate import probabilities, ranking
from rabbithole.evaluation.scores import read_scores
from rabbithole.io.atomic import write_json
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.models.registry import model_class
from rabbithole.training.calibration import calibrated
from rabbithole.training.data import Encoding, read_encoding, read_split
from rabbithole.training.purchase import PurchaseObjective, network_logits
from rabbithole.training.trainer import Trainer, build
from rabbithole.windows.arrays import Windows, take

PLAIN: dict[str, Any] = {"balance": "none", "augmentation": {"prefixes": True, "event_dropout": 0.0}}
ENDS_ALONE = PLAIN | {"augmentation": {"prefixes": False, "event_dropout": 0.0}}
VARIANTS: dict[str, dict[str, Any]] = {
    "none": PLAIN,
    "undersample": PLAIN | {"balance": "undersample"},
    "oversample": PLAIN | {"balance": "oversample"},
    "class_weight": PLAIN | {"balance": "class_weight"},
    "without prefixes": ENDS_ALONE,
    "event_dropout 0.1": PLAIN | {"augmentation": {"prefixes": True, "event_dropout": 0.1}},
}
"""What is compared: the balances with the default augmentation, then the augmentations with no balance."""

FEWEST_BUYERS = 20
"""Below so many buyers in train, a network for one moment alone is not worth the comparison."""

Data = dict[str, Windows]


def run_ablation(
    *,
    model: str,
    settings: dict[str, Any],
    training: dict[str, Any],
    seeds: list[int],
    steps: list[int],
    windows: Path,
    oracle: Path | None,
    output: Path,
) -> None:
    """Train a network in each of `WAYS` with each seed, and for each k alone, and write trials.json.

    settings, training: as `train` takes them; steps: the moments k; oracle: scores.parquet of the oracle, if
    there is one. Sessions longer than the window are left out of the moments, as it does not show their
    beginning. `output`: {"model", "ways": [{"name", "seed", ...}], "oracle": {...} or None, "moments":
    [{"steps", "sessions", "buyers", "auc", "alone", "difference", "low", "high"}]}; a way holds what
    `ranking` and `probabilities` of the evaluation say of test's ended sessions, `difference` is the one
    network for all moments less the one for this alone (paired DeLong), which takes as many steps.
    """
    encoding = read_encoding(windows)
    data = {split: read_split(windows, split, encoding) for split in ("train", "valid", "test")}
    trials = AblationTrainer(model, settings, training, encoding)
    buyer = data["test"].buyer
    rows: list[dict[str, Any]] = []
    running: NDArray[np.float64] | None = None
    for name, way in VARIANTS.items():
        for seed in seeds:
            found = trials.logits(data, seed=seed, steps=[0, *steps], **way)
            rows.append({"name": name, "seed": seed, **told(buyer, expit(found[0]))})
            print(f"{model}: {name}, seed {seed}: AUC {rows[-1]['auc']['value']:.4f}", flush=True)
            if running is None:
                running = found[1:]
    assert running is not None
    best = None
    if oracle is not None:
        scores = read_scores(oracle, "test").after(0)
        best = told(scores.buyer, scores.score)
    moments = list(_moments(trials, data, running, steps=steps, seed=seeds[0]))
    write_json(output, {"model": model, "ways": rows, "oracle": best, "moments": moments})


def told(buyer: NDArray[np.int8], score: NDArray[np.float64]) -> dict[str, Any]:
    """Return what the evaluation says of scores, less what is drawn."""
    found = ranking(buyer, score, fewest=2) | probabilities(buyer, score)
    return {key: value for key, value in found.items() if key != "reliability"}


class AblationTrainer:
    """One network, trained anew for each trial."""

    def __init__(
        self, model: str, settings: dict[str, Any], training: dict[str, Any], encoding: Encoding
    ) -> None:
        self.model, self.settings, self.training, self.encoding = model, settings, training, encoding

    def logits(
        self,
        data: Data,
        *,
        balance: str,
        augmentation: dict[str, Any],
        seed: int,
        steps: list[int],
        more: float = 1.0,
    ) -> NDArray[np.float64]:
        """Train on train, keep the epoch that is best on valid, return test's log odds [len(steps), n].

        more: how many times the epochs, for data so much smaller: the network takes as many steps then.
        """
        encoding = self.encoding
        training = self.training
        if more > 1:
            epochs = round(training["epochs"] * more)
            training = training | {"epochs": epochs, "patience": epochs}
        task = PurchaseObjective(
            data["train"], data["valid"], balance=balance, prefixes=augmentation["prefixes"]
        )
        trainer = Trainer(
            build(
                model_class(self.model),
                self.settings,
                sizes=encoding.sizes,
                length=encoding.length,
                roots=encoding.roots,
                outputs=PurchaseObjective.outputs,
                seed=seed,
            ),
            task,
            length=encoding.length,
            settings=self.settings,
            training=training,
            event_dropout=augmentation["event_dropout"],
            seed=seed,
        )
        trainer.run()
        trainer.restore_best()
        found = task.description(trainer.forward, trainer.shapes)["calibration"]
        running = RUNNING if augmentation["prefixes"] else ENDED
        logits = network_logits(trainer.forward, data["test"], steps, shapes=trainer.shapes, running=running)
        return calibrated(logits, steps, found)


def _moments(
    trials: AblationTrainer, data: Data, running: NDArray[np.float64], *, steps: list[int], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield, for each k, the network for all moments beside one that learned nothing but first k events."""
    for number, k in enumerate(steps):
        rows = {
            split: np.flatnonzero((one.lengths >= k) & (one.events <= trials.encoding.length))
            for split, one in data.items()
        }
        cut = {split: _first(take(one, rows[split]), k) for split, one in data.items()}
        fewest = min(min(int(one.buyer.sum()), len(one) - int(one.buyer.sum())) for one in cut.values())
        if fewest < FEWEST_BUYERS:
            continue
        more = len(data["train"]) / len(cut["train"])
        alone = trials.logits(cut, seed=seed, steps=[0], more=more, **ENDS_ALONE)[0]
        buyer = cut["test"].buyer
        parts = [placements(buyer, score) for score in (running[number][rows["test"]], alone)]
        test = paired_test(*parts)
        print(f"{trials.model}: after {k} events: {parts[0].auc:.4f}, alone {parts[1].auc:.4f}", flush=True)
        yield {
            "steps": k,
            "sessions": len(buyer),
            "buyers": int(buyer.sum()),
            "auc": parts[0].auc,
            "alone": parts[1].auc,
            **{key: test[key] for key in ("difference", "low", "high")},
        }


def _first(windows: Windows, steps: int) -> Windows:
    """Return the first steps of sessions that have as many."""
    places = (windows.offsets[:-1, None] + np.arange(steps)).reshape(-1)
    return dataclasses.replace(
        windows,
        offsets=np.arange(len(windows) + 1) * steps,
        codes=windows.codes[places],
        numbers=windows.numbers[places],
    )
