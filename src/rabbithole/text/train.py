"""Learn the book letter by letter, and say how many bits a letter still costs."""

from functools import partial
from pathlib import Path
from typing import Any

from rabbithole.io.atomic import atomic_write, sha256_of, write_json
from rabbithole.text.checkpoint import save, text_trainer
from rabbithole.text.corpus import read_book, split
from rabbithole.text.learner import parameter_count
from rabbithole.training.checkpoints import ResumeCheckpoints, settings_digest
from rabbithole.training.loop import run_epochs


def train_text(
    *,
    model: str,
    text: Path,
    output: Path,
    history: Path,
    metrics: Path,
    settings: dict[str, Any],
    lower: bool,
    seed: int,
    code: str,
    resume: Path,
    checkpoint_minutes: float,
) -> None:
    """Train a text model (`deck` or `char_gru`) and write its checkpoint, its history and its metrics.

    The first 90 % of the characters are learned from, the last 10 % judge.
    output: a folder (see `checkpoint.save`). history: {"epochs": [{"epoch", "loss", "held_out_bits"}],
    "seconds": [per epoch]}; `loss` is the mean on the way, in bits, with dropout. metrics:
    {"bits_per_character", "adapting_bits_per_character" (of a reader that goes on learning as it is judged;
    None for the deck's), "epochs", "parameters", "characters", "held_out_characters"}.
    The state is kept below the folder `resume`, every `checkpoint_minutes` and after epochs (see
    `Checkpoints.keep`), until all is written.
    Killed and started again with the same arguments, text and `code` (any text that tells one code from
    another), the training goes on from there.
    """
    corpus = split(read_book(text, lower=lower))
    learner = text_trainer(model)(corpus, settings, seed=seed)
    made_of = (model, settings, lower, seed, code, sha256_of(text))
    checkpoints = ResumeCheckpoints(resume / settings_digest(*made_of), minutes=checkpoint_minutes)
    if (kept := checkpoints.load(learner.progress)) is not None:
        learner.progress = kept
        print(f"alice {model}: continues from epoch {kept.epoch + 1}, batch {kept.batch + 1}", flush=True)
    run_epochs(
        learner,
        learner.progress,
        epochs=learner.epochs,
        patience=learner.epochs,
        on_epoch=partial(_tell_epoch, f"alice {model}", settings["epochs"]),
        on_batch=checkpoints.keep,
    )
    state = learner.progress
    with atomic_write(output) as folder:
        save(
            folder,
            state.best,
            model=model,
            settings=settings,
            vocabulary=corpus.vocabulary,
            lower=lower,
        )
    adapting = learner.adapting_log_probabilities(state.best)
    write_json(history, {"epochs": state.rows, "seconds": state.seconds})
    write_json(
        metrics,
        {
            "bits_per_character": state.rows[-1]["held_out_bits"],
            "adapting_bits_per_character": None if adapting is None else learner.bits(adapting),
            "epochs": state.epoch,
            "parameters": parameter_count(state.best),
            "characters": len(corpus.codes),
            "held_out_characters": len(corpus.codes) - corpus.held_out,
        },
    )
    checkpoints.remove()


def _tell_epoch(what: str, epochs: int, row: dict[str, Any], speed: float) -> None:
    """Tell how an epoch went."""
    print(
        f"{what}: epoch {row['epoch']:>3}/{epochs}  loss {row['loss']:.3f}  "
        f"held out {row['held_out_bits']:.3f} bits per character  {speed:,.0f} characters/s",
        flush=True,
    )
