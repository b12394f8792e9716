"""Train one purchase model on one data set; which, and how, the settings say."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rabbithole.io.atomic import atomic_write, write_json
from rabbithole.io.manifests import read_manifest
from rabbithole.models.registry import Estimator, model_class
from rabbithole.training.batching import augment_windows, make_rng
from rabbithole.training.calibration import balanced_rows, class_weights, prior_shift
from rabbithole.training.checkpoints import (
    ResumeCheckpoints,
    save_weights,
    settings_digest,
    write_description,
)
from rabbithole.training.data import Encoding, read_encoding
from rabbithole.training.mesh import is_primary, join_processes
from rabbithole.training.objective import Objective, objective_class
from rabbithole.training.trainer import Trainer, build

Fitted = tuple[Callable[[Path], None], dict[str, Any], dict[str, Any]]
"""What writes the fitted model into a folder, what scoring must know of it, and how the fitting went."""

Tell = Callable[[str], None]


def train(
    *,
    model: str,
    windows: Path,
    output: Path,
    history: Path,
    settings: dict[str, Any],
    training: dict[str, Any],
    balance: str,
    augmentation: dict[str, Any],
    seed: int,
    code: str,
    resume: Path,
    checkpoint_minutes: float,
    target: str = "buyer",
) -> None:
    """Train `model` and write it to the folder `output`, and how it went to `history`.

    settings: the model's own; training: `unseen_share`, for a network also `batch_size` (sessions),
    `epochs` and `patience`; balance: none, undersample, oversample or class_weight; augmentation:
    `prefixes` and `event_dropout`; target: `buyer`, or for a network `next_event`. `history` is JSON:
    `epochs` (a list of `epoch`, `loss`, `valid_loss` and, of buyers, `valid_auc`), `best_epoch`, `unit`, and
    `seconds` (how long each epoch took; all else depends on the arguments alone). Raises `UserError` when
    train or valid lacks what is to be told apart.
    Started as several tasks of a Slurm step, these share the work; the first one writes.
    A network keeps its state below the folder `resume`, every `checkpoint_minutes` and after epochs (see
    `Checkpoints.keep`), until all is written. Killed and started again with the same arguments, windows and
    `code` (any text that tells one code from another), it goes on from there.
    """
    found_class = model_class(model)
    if not issubclass(found_class, Estimator):
        join_processes()
    elif not is_primary():
        # It has no use for more tasks than one.
        return
    encoding = read_encoding(windows)
    task = objective_class(target).read(windows, encoding, balance=balance, augmentation=augmentation)
    description = {
        "model": model,
        "settings": settings,
        "sizes": encoding.sizes,
        "length": encoding.length,
        "roots": encoding.roots,
        "batch_size": training.get("batch_size"),
    }
    made_of = (target, model, settings, training, balance, augmentation, seed, code, read_manifest(windows))
    checkpoints = ResumeCheckpoints(resume / settings_digest(*made_of), minutes=checkpoint_minutes)
    fit = _fit_estimator if issubclass(found_class, Estimator) else _fit_network
    save, known, record = fit(
        partial(_tell, f"{windows.parent.name} {model}"),
        found_class,
        encoding,
        task,
        settings=settings,
        training=training,
        balance=balance,
        augmentation=augmentation,
        seed=seed,
        checkpoints=checkpoints,
    )
    if is_primary():
        with atomic_write(output) as folder:
            write_description(folder, windows, description | known)
            save(folder)
        write_json(history, record)
        checkpoints.remove()


def _fit_network(
    tell: Tell,
    found_class: Any,
    encoding: Encoding,
    task: Objective,
    *,
    settings: dict[str, Any],
    training: dict[str, Any],
    balance: str,  # noqa: ARG001 - the task knows it
    augmentation: dict[str, Any],
    seed: int,
    checkpoints: ResumeCheckpoints,
) -> Fitted:
    trainer = Trainer(
        build(
            found_class,
            settings,
            sizes=encoding.sizes,
            length=encoding.length,
            roots=encoding.roots,
            outputs=task.outputs,
            seed=seed,
        ),
        task,
        length=encoding.length,
        settings=settings,
        training=training,
        event_dropout=augmentation["event_dropout"],
        seed=seed,
    )
    if (kept := checkpoints.load(trainer.progress)) is not None:
        trainer.restore(kept)
        tell(f"continues from epoch {kept.epoch + 1}, batch {kept.batch + 1}")
    trainer.run(partial(_tell_epoch, tell), checkpoints.keep)
    trainer.restore_best()
    state = trainer.progress
    record = {
        "unit": "epoch",
        "epochs": state.rows,
        "best_epoch": state.best_epoch,
        "seconds": state.seconds,
    }
    known = task.description(trainer.forward, trainer.shapes)
    return lambda folder: save_weights(folder, *state.best), known, record


def _fit_estimator(
    tell: Tell,
    found_class: type[Estimator],
    encoding: Encoding,
    task: Any,
    *,
    settings: dict[str, Any],
    training: dict[str, Any],
    balance: str,
    augmentation: dict[str, Any],
    seed: int,
    checkpoints: ResumeCheckpoints,  # noqa: ARG001 - it trains in seconds
) -> Fitted:
    began = time.perf_counter()
    train, valid = task.train, task.valid
    # Drawn once: an estimator goes through its sessions as they are. A session drawn twice weighs double.
    drawn = balanced_rows(train.buyer, balance, seed=seed, epoch=0)
    weights = np.bincount(drawn, minlength=len(train)) * class_weights(train.buyer, balance).astype(float)
    estimator = found_class.build(settings=settings, seed=seed)
    rows = estimator.fit(
        augment_windows(
            train,
            make_rng(seed),
            unseen_share=training["unseen_share"],
            event_dropout=augmentation["event_dropout"],
        ),
        weights,
        valid,
        prefixes=augmentation["prefixes"],
        shift=prior_shift(train.buyer, balance),
    )
    best = max(rows, key=lambda row: row["valid_auc"])
    seconds = time.perf_counter() - began
    _tell_epoch(tell, best, len(train) / seconds)
    known = task.true_odds(lambda steps: estimator.logits(valid, steps), length=encoding.length)
    record = {"unit": "tree", "epochs": rows, "best_epoch": best["epoch"], "seconds": [seconds]}
    return estimator.save, known, record


def _tell(what: str, news: str) -> None:
    """Print a line that reads well in a terminal and in a log."""
    if is_primary():
        Console(highlight=False, soft_wrap=True).print(f"{what}: {news}")


def _tell_epoch(tell: Tell, row: dict[str, Any], speed: float) -> None:
    """Tell how an epoch went."""
    tell(
        f"epoch {row['epoch']:3d}  loss {row['loss']:.5f}  valid loss {row['valid_loss']:.5f}  "
        + (f"valid AUC {row['valid_auc']:.4f}  " if "valid_auc" in row else "")
        + f"{speed:,.0f} sessions/s"
    )
