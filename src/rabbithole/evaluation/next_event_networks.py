"""How well trained networks foretell the next events of test."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import evaluate_predictions
from rabbithole.training.batching import batch_shapes
from rabbithole.training.checkpoints import read_description
from rabbithole.training.data import read_encoding
from rabbithole.training.next_event import Logs, predict_batches
from rabbithole.training.trainer import load_network
from rabbithole.windows.arrays import Windows
from rabbithole.windows.next_events import read_classes


def evaluate_networks(*, checkpoints: list[Path], windows: Path, steps: list[int], output: Path) -> None:
    """Write next_event.json of a network on test, and after so many `steps` (see `judge`).

    Several networks (the seeds of one model) are judged together, by the mean of their probabilities. Raises
    `UserError` when one was trained for other windows or for another target.
    """
    encoding, networks = read_encoding(windows), []
    for checkpoint in checkpoints:
        description = read_description(checkpoint)
        fits = (description["sizes"], description["length"]) == (encoding.sizes, encoding.length)
        if not fits or description.get("target") != "next_event":
            raise UserError(
                f"{checkpoint} was trained for other windows than {windows}, or not for the next event: "
                "train it again."
            )
        networks.append(load_network(checkpoint, description, outputs=description["outputs"]))
    classes = read_classes(windows)
    kinds = batch_shapes(length=encoding.length, batch_size=description["batch_size"])

    def predict(part: Windows) -> Iterator[tuple[NDArray[np.int64], Logs, Logs]]:
        each = [predict_batches(forward, part, kinds, classes) for forward in networks]
        # They go through the same batches in the same order.
        for batches in zip(*each, strict=True):
            index, event, category = zip(*batches, strict=True)
            yield index[0], mixed(event), mixed(category)

    evaluate_predictions(windows, encoding, predict, steps, output)


def mixed(logs: Sequence[Logs]) -> Logs:
    """Return the logarithms of the mean of probabilities that are given as logarithms."""
    return np.asarray(logsumexp(np.stack(logs), axis=0) - np.log(len(logs)))
