"""Evaluates how well trained networks predict next events."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import Floats, Ints, evaluate_predictions
from rabbithole.specs.training import ScoreSpec
from rabbithole.training.batching import batch_shapes
from rabbithole.training.checkpoints import read_description
from rabbithole.training.next_event import predict_batches
from rabbithole.training.trainer import load_network
from rabbithole.windows.arrays import Windows, read_encoding
from rabbithole.windows.next_events import read_classes


def evaluate_networks(spec: ScoreSpec, *, checkpoints: list[Path], windows: Path, output: Path) -> None:
    """Evaluate one network, or the ensemble of several seeds of one model, on test; write next_event.json.

    An ensemble predicts the mean of its networks' probabilities. Raises `UserError` when a network was
    trained on other windows or for another target.
    """
    encoding = read_encoding(windows)
    descriptions = [read_description(checkpoint) for checkpoint in checkpoints]
    for checkpoint, description in zip(checkpoints, descriptions, strict=True):
        if not encoding.fits(description) or description.target != "next_event":
            raise UserError(
                f"{checkpoint} was trained on other windows than {windows}, or not for the next event: "
                "train it again."
            )
    batch_size = descriptions[0].batch_size
    assert batch_size is not None
    networks = [load_network(checkpoint) for checkpoint in checkpoints]
    classes = read_classes(windows)
    shapes = batch_shapes(length=encoding.window, batch_size=batch_size)

    def predict(part: Windows) -> Iterator[tuple[Ints, Floats, Floats]]:
        predictions = [predict_batches(forward, part, shapes, classes) for forward in networks]
        # All networks predict the same batches in the same order.
        for batches in zip(*predictions, strict=True):
            index, event, category = zip(*batches, strict=True)
            yield index[0], log_mean(event), log_mean(category)

    evaluate_predictions(windows, encoding, predict, spec.steps, output)


def log_mean(log_probabilities: Sequence[NDArray[np.float64]]) -> Floats:
    """Return the logarithm of the mean of probabilities, from their logarithms."""
    return np.asarray(logsumexp(np.stack(log_probabilities), axis=0) - np.log(len(log_probabilities)))
