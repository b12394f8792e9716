"""How well a trained network foretells the next events of test."""

from pathlib import Path
from typing import Any

from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import judge
from rabbithole.models.registry import model_class
from rabbithole.training.batches import shapes
from rabbithole.training.checkpoint import load_weights, read_description
from rabbithole.training.inputs import read_encoding
from rabbithole.training.network import make_forward, split
from rabbithole.training.next_event import each_batch
from rabbithole.training.task import Forward
from rabbithole.training.trainer import outline
from rabbithole.windows.next_events import read_classes


def judge_network(*, checkpoint: Path, windows: Path, steps: list[int], output: Path) -> None:
    """Write next_event.json of a network on test, and after so many `steps` (see `judge`).

    Raises `UserError` when the model was trained for other windows or for another target.
    """
    description, encoding = read_description(checkpoint), read_encoding(windows)
    fits = (description["sizes"], description["length"]) == (encoding.sizes, encoding.length)
    if not fits or description.get("target") != "next_event":
        raise UserError(
            f"{checkpoint} was trained for other windows than {windows}, or not for the next event: train it "
            "again."
        )
    classes = read_classes(windows)
    forward = load_network(checkpoint, description)
    kinds = shapes(length=encoding.length, batch_size=description["batch_size"])
    judge(windows, encoding, lambda part: each_batch(forward, part, kinds, classes), steps, output)


def load_network(checkpoint: Path, description: dict[str, Any]) -> Forward:
    """Return a trained network as a function from codes and numbers of a batch to logits."""
    network, weights, table = split(
        outline(
            model_class(description["model"]),
            description["settings"],
            sizes=description["sizes"],
            length=description["length"],
            roots=description["roots"],
            outputs=description["outputs"],
        )
    )
    weights, table = load_weights(checkpoint, weights, table)
    forward = make_forward(network)
    return lambda codes, numbers: forward(weights, table, codes, numbers)
