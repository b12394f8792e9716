"""Learn the book letter by letter, and say how many bits a letter still costs."""

import time
from pathlib import Path
from typing import Any

from rabbithole.alice.checkpoint import learner_of, save
from rabbithole.alice.corpus import read_book, split
from rabbithole.alice.learner import parameter_count
from rabbithole.files import digest, whole, write_json
from rabbithole.training.resume import Checkpoints, digest_of
from rabbithole.training.state import TrainingState


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

    The first 90 % of the characters are learned from, the last 10 % judge. The number of epochs is fixed by
    the settings and the last one is reported: nothing is chosen on the held-out part, whose figures in the
    history only show the way there.
    output: a folder (see `checkpoint.save`). history: {"epochs": [{"epoch", "loss_bits", "held_out_bits"}],
    "seconds": [per epoch]}; `loss_bits` is the mean on the way, with dropout. metrics:
    {"bits_per_character", "adapting_bits_per_character" (of a reader that goes on learning as it is judged;
    None for the deck's), "epochs", "parameters", "characters", "held_out_characters"}.
    The state is kept below the folder `resume` after epochs (see `Checkpoints.keep`), until all is written.
    Killed and started again with the same arguments, text and `code` (any text that tells one code from
    another), the training goes on from there.
    """
    corpus = split(read_book(text, lower=lower))
    learner = learner_of(model)(corpus, settings, seed=seed)
    made_of = (model, settings, lower, seed, code, digest(text))
    checkpoints = Checkpoints(resume / digest_of(*made_of), minutes=checkpoint_minutes)
    state = TrainingState((learner.parameters, learner.moments), best=())
    if (kept := checkpoints.load(state)) is not None:
        state = kept
        learner.parameters, learner.moments = state.learned
        print(f"alice {model}: continues from epoch {state.epoch + 1}", flush=True)
    while state.epoch < settings["epochs"]:
        begun = time.monotonic()
        state.epoch += 1
        loss = learner.epoch(state.epoch)
        bits = learner.bits(learner.log_probabilities())
        state.learned = learner.parameters, learner.moments
        state.seconds.append(round(time.monotonic() - begun, 3))
        state.rows.append({"epoch": state.epoch, "loss_bits": loss, "held_out_bits": bits})
        print(
            f"alice {model}: epoch {state.epoch:>3}/{settings['epochs']}  loss {loss:.3f}  "
            f"held out {bits:.3f} bits per character  {state.seconds[-1]:.1f} s",
            flush=True,
        )
        checkpoints.keep(state)
    with whole(output) as folder:
        save(
            folder,
            learner.parameters,
            model=model,
            settings=settings,
            vocabulary=corpus.vocabulary,
            lower=lower,
        )
    adapting = learner.adapting_log_probabilities()
    write_json(history, {"epochs": state.rows, "seconds": state.seconds})
    write_json(
        metrics,
        {
            "bits_per_character": state.rows[-1]["held_out_bits"],
            "adapting_bits_per_character": None if adapting is None else learner.bits(adapting),
            "epochs": state.epoch,
            "parameters": parameter_count(learner.parameters),
            "characters": len(corpus.codes),
            "held_out_characters": len(corpus.codes) - corpus.held_out,
        },
    )
    checkpoints.remove()
