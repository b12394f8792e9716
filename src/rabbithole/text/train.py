"""The step `train_text`: trains a character model on the book and measures its bits per character."""

import logging
from functools import partial
from pathlib import Path

import jax

from rabbithole.artifacts.text import TextEpoch, TextHistory, TextMetrics, TextModelDescription
from rabbithole.io.atomic import atomic_write, sha256_of
from rabbithole.specs.text import TrainTextSpec
from rabbithole.specs.training import ResumeOptions
from rabbithole.text.checkpoint import save, text_model
from rabbithole.text.corpus import read_book, split
from rabbithole.text.trainer import bits_per_character
from rabbithole.training.checkpoints import ResumeCheckpoints, settings_digest
from rabbithole.training.loop import Metrics, run_epochs

LOGGER = logging.getLogger("rabbithole")


def train_text(
    spec: TrainTextSpec,
    *,
    text: Path,
    output: Path,
    history: Path,
    metrics: Path,
    code: str,
    resume: ResumeOptions,
) -> None:
    """Train a text model on the first 90 % of the characters and evaluate it on the last 10 %.

    output: the checkpoint folder, see `checkpoint.save`; history: a `TextHistory`; metrics: a `TextMetrics`.
    code: a digest of the code. The state is saved below `resume.folder` (see `ResumeCheckpoints.keep`) until
    all files are written. An interrupted training with the same spec, text and code continues from there.
    """
    corpus = split(read_book(text, lower=spec.lower))
    trainer = text_model(spec.model).trainer(corpus, spec.settings, seed=spec.seed)
    digest = settings_digest(spec.to_json(), code, sha256_of(text))
    checkpoints = ResumeCheckpoints(Path(resume.folder) / digest, minutes=resume.minutes)
    if (saved := checkpoints.load(trainer.progress)) is not None:
        trainer.progress = saved
        LOGGER.info(
            "alice %s: continues from epoch %d, batch %d", spec.model, saved.epoch + 1, saved.batch + 1
        )
    epochs, progress = spec.settings.epochs, trainer.progress
    run_epochs(
        trainer,
        progress,
        epochs=epochs,
        patience=epochs,
        on_epoch=partial(_log_epoch, spec.model, epochs),
        on_batch=checkpoints.keep,
    )
    description = TextModelDescription(
        model=spec.model,
        settings=spec.settings,
        characters=corpus.vocabulary.characters,
        lower=spec.lower,
    )
    with atomic_write(output) as folder:
        save(folder, progress.best, description)
    dynamic = trainer.dynamic_log_probabilities(progress.best)
    rows = [TextEpoch.model_validate(row) for row in progress.rows]
    TextHistory(epochs=rows, seconds=progress.seconds).write(history)
    TextMetrics(
        bits_per_character=rows[-1].held_out_bits,
        dynamic_bits_per_character=None if dynamic is None else bits_per_character(corpus, dynamic),
        epochs=progress.epoch,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(progress.best)),
        characters=len(corpus.codes),
        held_out_characters=len(corpus.held_out_codes),
    ).write(metrics)
    checkpoints.remove()


def _log_epoch(model: str, epochs: int, metrics: Metrics, speed: float) -> None:
    LOGGER.info(
        f"alice {model}: epoch {metrics['epoch']:>3}/{epochs}  loss {metrics['loss']:.3f}  "
        f"held out {metrics['held_out_bits']:.3f} bits per character  {speed:,.0f} characters/s"
    )
