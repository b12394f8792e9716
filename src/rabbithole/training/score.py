"""Score the valid and test sessions of a data set with a trained model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.models.registry import Estimator, model_class
from rabbithole.training.batching import batch_shapes
from rabbithole.training.calibration import calibrated
from rabbithole.training.checkpoints import read_description
from rabbithole.training.data import read_encoding, read_parts
from rabbithole.training.purchase import PurchaseObjective, network_logits
from rabbithole.training.trainer import load_network
from rabbithole.windows.arrays import Windows

Logits = Callable[[Windows, list[int]], NDArray[np.float64]]

SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("split", pa.string()),
        ("steps", pa.int32()),
        ("buyer", pa.int8()),
        ("score", pa.float64()),
    ]
)

REPEATED = ["split", "steps", "buyer"]
"""Columns worth a dictionary: hardly two sessions share an id or a score."""


def score(*, checkpoint: Path, windows: Path, steps: list[int], output: Path) -> None:
    """Write scores.parquet: the probability of a purchase, at the natural balance.

    Valid is scored as ended sessions (steps 0); test so, and as running sessions after each of `steps`, those
    that are so long. Sessions longer than the window are judged on their own beginnings then
    (test_beginnings/). The windows are read part by part, in constant memory, and written so: by split, part,
    steps and session id. Raises `UserError` when the model was trained for other windows or a step is beyond
    them.
    """
    description = read_description(checkpoint)
    encoding = read_encoding(windows)
    if (description["sizes"], description["length"]) != (encoding.sizes, encoding.length):
        raise UserError(f"{checkpoint} was trained for other windows than {windows}: train it again.")
    if "target" in description:
        raise UserError(f"{checkpoint} foretells next events, not buyers: train it again.")
    wrong = [step for step in steps if not 1 <= step <= encoding.length]
    if wrong:
        raise UserError(f"evaluation.steps: {wrong[0]} is not within 1 and the window's {encoding.length}.")
    logits = load_model(checkpoint, description)
    running = sorted(set(steps))
    with (
        atomic_write(output) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, use_dictionary=REPEATED) as writer,
    ):
        cut_short = 0
        for test in read_parts(windows, "test", encoding):
            found = logits(test, [0, *running])
            long = test.events > encoding.length
            cut_short += int(long.sum())
            found[1:, long] = np.nan
            _write(writer, "test", [0, *running], test, found)
        for begun in read_parts(windows, "test_beginnings", encoding):
            cut_short -= len(begun)
            if running:
                _write(writer, "test", running, begun, logits(begun, running))
        if cut_short:
            raise UserError(f"{windows}: test and test_beginnings do not hold the same long sessions.")
        for valid in read_parts(windows, "valid", encoding):
            _write(writer, "valid", [0], valid, logits(valid, [0]))


def load_model(checkpoint: Path, description: dict[str, Any]) -> Logits:
    """Return a trained model as a function: (windows, steps) to natural log odds, float64 [len(steps), n]."""
    found = model_class(description["model"])
    calibration, length = description["calibration"], description["length"]
    if issubclass(found, Estimator):
        estimator = found.load(checkpoint)
        return lambda windows, steps: calibrated(estimator.logits(windows, steps), steps, calibration)
    forward = load_network(checkpoint, description, outputs=PurchaseObjective.outputs)
    kinds = batch_shapes(length=length, batch_size=description["batch_size"])
    running = RUNNING if description["prefixes"] else ENDED

    def logits(windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        found = network_logits(forward, windows, steps, shapes=kinds, running=running)
        return calibrated(found, steps, calibration)

    return logits


def _write(
    writer: pq.ParquetWriter, split: str, steps: list[int], windows: Windows, logits: NDArray[np.float64]
) -> None:
    """Write the sessions that have a score, step by step."""
    buyers = pa.array(windows.buyer)
    for step, values in zip(steps, logits, strict=True):
        there = np.flatnonzero(~np.isnan(values))
        columns = [
            windows.session_id.take(pa.array(there)),
            pa.repeat(split, len(there)),
            pa.repeat(pa.scalar(step, pa.int32()), len(there)),
            buyers.take(there),
            pa.array(expit(values[there])),
        ]
        writer.write_table(pa.table(columns, schema=SCHEMA))
