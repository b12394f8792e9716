"""Trains a network with each balance and augmentation, and one network per prefix length, to compare them."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.artifacts.studies import Ablation, PrefixComparison, Variant, VariantMetrics
from rabbithole.evaluation.delong import paired_test, placements
from rabbithole.evaluation.evaluate import probabilities, ranking
from rabbithole.evaluation.scores import read_scores
from rabbithole.specs.evaluation import AblationSpec
from rabbithole.specs.training import AugmentationSpec, Balance
from rabbithole.training.purchase import PurchaseObjective, calibrate, network_logits, running_column
from rabbithole.training.trainer import make_trainer
from rabbithole.windows.arrays import Encoding, Windows, first_steps, read_encoding, read_split, take

LOGGER = logging.getLogger("rabbithole")

PREFIXES = AugmentationSpec(prefixes=True, event_dropout=0.0)
NO_PREFIXES = AugmentationSpec(prefixes=False, event_dropout=0.0)
EVENT_DROPOUT = AugmentationSpec(prefixes=True, event_dropout=0.1)

VARIANTS: dict[str, tuple[Balance, AugmentationSpec]] = {
    "none": ("none", PREFIXES),
    "undersample": ("undersample", PREFIXES),
    "oversample": ("oversample", PREFIXES),
    "class_weight": ("class_weight", PREFIXES),
    "without prefixes": ("none", NO_PREFIXES),
    "event_dropout 0.1": ("none", EVENT_DROPOUT),
}
"""The variants by name: balances with the default augmentation, then augmentations without a balance."""

MIN_CLASS_SIZE = 20
"""Sessions of each class that every split needs to compare networks at a prefix length."""

Data = dict[str, Windows]
"""Windows by split: train, valid and test."""


def run_ablation(
    spec: AblationSpec, *, windows: Path, oracle: Path | None, output: Path, file: Path | None = None
) -> None:
    """Train a network in each variant with each seed, and one per prefix length; write ablation.json.

    oracle: the oracle's scores.parquet, None if there is none; file: the user's own file with the network,
    None for a network of the package. Sessions longer than the window are left out of the prefixes, as their
    windows do not show their first events.
    """
    encoding = read_encoding(windows)
    data = {split: read_split(windows, split, encoding) for split in ("train", "valid", "test")}
    labels = data["test"].buyer
    variants, running = [], None
    for name, (balance, augmentation) in VARIANTS.items():
        for seed in spec.seeds:
            logits = train_and_predict(
                spec,
                encoding,
                data,
                [0, *spec.steps],
                balance=balance,
                augmentation=augmentation,
                seed=seed,
                file=file,
                part=f"{name}, seed {seed}",
            )
            # The first variant is the default; the single networks are compared with it.
            running = logits[1:] if running is None else running
            metrics = variant_metrics(labels, expit(logits[0]))
            variants.append(Variant(name=name, seed=seed, **dict(metrics)))
            auc = f"AUC {metrics.auc.value:.4f}" if metrics.auc else metrics.reason
            LOGGER.info("%s: %s, seed %d: %s", spec.model, name, seed, auc)
    assert running is not None
    best = None
    if oracle is not None:
        scores = read_scores(oracle, "test").after(0)
        best = variant_metrics(scores.buyer, scores.score)
    prefixes = list(compare_prefixes(spec, encoding, data, running, file))
    Ablation(model=spec.model, variants=variants, oracle=best, prefixes=prefixes).write(output)


def variant_metrics(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> VariantMetrics:
    """Return the metrics of ended sessions."""
    return VariantMetrics(**dict(ranking(labels, scores)), **dict(probabilities(labels, scores)))


def train_and_predict(
    spec: AblationSpec,
    encoding: Encoding,
    data: Data,
    steps: Sequence[int],
    *,
    balance: Balance,
    augmentation: AugmentationSpec,
    seed: int,
    file: Path | None,
    part: str,
    epoch_factor: float = 1.0,
) -> NDArray[np.float64]:
    """Train a network, restore its best epoch, and return its log odds on test, float64 [len(steps), n].

    part: what is trained, in words; epoch_factor: multiplies the epochs, so that on less data the network
    takes as many training steps.
    """
    training = spec.training
    if epoch_factor > 1:
        epochs = round(training.epochs * epoch_factor)
        training = training.model_copy(update={"epochs": epochs, "patience": epochs})
    objective = PurchaseObjective(
        data["train"], data["valid"], balance=balance, prefixes=augmentation.prefixes
    )
    trainer = make_trainer(
        spec.model,
        spec.settings,
        training,
        objective,
        encoding,
        event_dropout=augmentation.event_dropout,
        seed=seed,
        file=file,
    )
    trainer.run(part=part)
    trainer.restore_best()
    logits = network_logits(
        trainer.forward,
        data["test"],
        list(steps),
        shapes=trainer.shapes,
        running=running_column(augmentation.prefixes),
    )
    calibration = objective.fit_calibration(trainer.forward, trainer.shapes, length=encoding.length)
    return calibrate(logits, list(steps), calibration)


def compare_prefixes(
    spec: AblationSpec, encoding: Encoding, data: Data, running: NDArray[np.float64], file: Path | None
) -> Iterator[PrefixComparison]:
    """Yield, for each prefix length, the network for all lengths against one trained on this length alone.

    running: float64 [len(spec.steps), n], the log odds of the network for all lengths on test.
    """
    for row, steps in enumerate(spec.steps):
        # Sessions that have such a prefix, with their first events in the window.
        sessions = {
            split: np.flatnonzero((windows.present >= steps) & (windows.events <= encoding.length))
            for split, windows in data.items()
        }
        cut = {split: first_steps(take(data[split], sessions[split]), steps) for split in data}
        if min(_smaller_class(windows) for windows in cut.values()) < MIN_CLASS_SIZE:
            continue
        single = train_and_predict(
            spec,
            encoding,
            cut,
            [0],
            balance="none",
            augmentation=NO_PREFIXES,
            seed=spec.seeds[0],
            file=file,
            part=f"after {steps} events alone",
            epoch_factor=len(data["train"]) / len(cut["train"]),
        )[0]
        labels = cut["test"].buyer
        auc, single_auc = placements(labels, running[row][sessions["test"]]), placements(labels, single)
        test = paired_test(auc, single_auc)
        LOGGER.info("%s: after %d events: %.4f, single %.4f", spec.model, steps, auc.auc, single_auc.auc)
        yield PrefixComparison(
            steps=steps,
            sessions=len(labels),
            buyers=int(labels.sum()),
            auc=auc.auc,
            single=single_auc.auc,
            difference=test.difference,
            low=test.low,
            high=test.high,
        )


def _smaller_class(windows: Windows) -> int:
    """Return the number of sessions in the smaller class."""
    buyers = int(windows.buyer.sum())
    return min(buyers, len(windows) - buyers)
