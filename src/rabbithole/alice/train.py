"""Learn the book letter by letter, and say how many bits a letter still costs."""

import time
from pathlib import Path
from typing import Any

from rabbithole.alice.checkpoint import learner_of, save
from rabbithole.alice.corpus import read_book, split
from rabbithole.alice.learner import parameter_count
from rabbithole.files import whole, write_json


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
) -> None:
    """Train a text model (`deck` or `char_gru`) and write its checkpoint, its history and its metrics.

    The first 90 % of the characters are learned from, the last 10 % judge. The number of epochs is fixed by
    the settings and the last one is reported: nothing is chosen on the held-out part, whose figures in the
    history only show the way there.
    output: a folder (see `checkpoint.save`). history: {"epochs": [{"epoch", "loss_bits", "held_out_bits"}],
    "seconds": [per epoch]}; `loss_bits` is the mean on the way, with dropout. metrics:
    {"bits_per_character", "adapting_bits_per_character" (of a reader that goes on learning as it is judged;
    None for the deck's), "epochs", "parameters", "characters", "held_out_characters"}.
    """
    corpus = split(read_book(text, lower=lower))
    learner = learner_of(model)(corpus, settings, seed=seed)
    epochs, seconds = [], []
    for number in range(1, settings["epochs"] + 1):
        begun = time.monotonic()
        loss = learner.epoch()
        bits = learner.bits(learner.log_probabilities())
        seconds.append(round(time.monotonic() - begun, 3))
        epochs.append({"epoch": number, "loss_bits": loss, "held_out_bits": bits})
        print(
            f"alice {model}: epoch {number:>3}/{settings['epochs']}  loss {loss:.3f}  held out {bits:.3f} "
            f"bits per character  {seconds[-1]:.1f} s",
            flush=True,
        )
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
    write_json(history, {"epochs": epochs, "seconds": seconds})
    write_json(
        metrics,
        {
            "bits_per_character": epochs[-1]["held_out_bits"],
            "adapting_bits_per_character": None if adapting is None else learner.bits(adapting),
            "epochs": len(epochs),
            "parameters": parameter_count(learner.parameters),
            "characters": len(corpus.codes),
            "held_out_characters": len(corpus.codes) - corpus.held_out,
        },
    )
