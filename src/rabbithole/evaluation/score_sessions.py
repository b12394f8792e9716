"""Scores the valid and test sessions of a data set with a trained model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.artifacts.data import EncoderFile, WindowsManifest
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import write_digest
from rabbithole.io.parts import manifest_path
from rabbithole.models.registry import Combination, Estimator, checkpoint_code
from rabbithole.progress import Meter
from rabbithole.sessions.visitors import VISITOR, Visitors, returning_visitors
from rabbithole.specs.table import CART
from rabbithole.specs.training import ScoreSpec
from rabbithole.training.batching import batch_shapes
from rabbithole.training.checkpoints import read_description
from rabbithole.training.purchase import calibrate, network_logits, running_column
from rabbithole.training.trainer import load_network
from rabbithole.windows.arrays import (
    Encoding,
    Windows,
    first_steps,
    read_encoding,
    read_from_start,
    read_parts,
    take,
)
from rabbithole.windows.fields import FIRST_VALUE

Logits = Callable[[Windows, list[int]], NDArray[np.float64]]
"""A trained model: from windows and steps to calibrated log odds, float64 [len(steps), n]."""

Write = Callable[[str, list[int], Windows, NDArray[np.float64]], None]
"""Writes scores: of a split, after these steps, of windows, from log odds [len(steps), n], NaN for none."""

MEMBERS = "members"
"""Folder of a combination's models, in its checkpoint."""

SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("split", pa.string()),
        ("steps", pa.int32()),
        ("buyer", pa.int8()),
        ("score", pa.float64()),
    ]
)

DICTIONARY_COLUMNS = ["split", "steps", "buyer"]
"""Columns with few values. Hardly two sessions share an id or a score."""


def score(
    spec: ScoreSpec,
    *,
    checkpoint: Path,
    windows: Path,
    output: Path,
    carts: Path | None = None,
    sessions: Path | None = None,
) -> None:
    """Write scores.parquet: the probability of a purchase, at the natural share of buyers.

    carts: a second file of the same columns, with test's sessions at their first add-to-cart; None: none.
    sessions: the folder with the visitors of the sessions, None where no visitor has several. Then there is a
    column `visitor`, by which intervals are computed.

    Valid is scored as ended sessions (steps 0). Test is scored as ended sessions, and as running sessions
    after each of the spec's steps that they reach. For sessions longer than the window, the running scores
    use their own first events (test_prefixes/). The windows are read part by part, in constant memory. The
    rows are ordered by split, part, steps and session id. Raises `UserError` when the model was trained for
    other windows or for the next event, or when a step is beyond the window.
    """
    description, encoding = read_description(checkpoint), read_encoding(windows)
    if not encoding.fits(description):
        raise UserError(f"{checkpoint} was trained for other windows than {windows}: train it again.")
    if description.target != "buyer":
        raise UserError(f"{checkpoint} predicts next events, not buyers: train it again.")
    if beyond := [step for step in spec.steps if not 1 <= step <= encoding.length]:
        raise UserError(f"evaluation.steps: {beyond[0]} is not between 1 and the window's {encoding.length}.")
    logits = load_model(checkpoint)
    visitors = None if sessions is None else returning_visitors(sessions)
    running = sorted(set(spec.steps))
    splits = WindowsManifest.read(manifest_path(windows)).splits
    meter = Meter(splits["test"].rows + splits["valid"].rows, "sessions", whole=True)
    with _writer(output, visitors) as write:
        cut_short, done = 0, 0
        for test in read_parts(windows, "test", encoding):
            log_odds = logits(test, [0, *running])
            long = test.events > encoding.length
            cut_short += int(long.sum())
            log_odds[1:, long] = np.nan
            write("test", [0, *running], test, log_odds)
            done += len(test)
            meter.update(done)
        for prefixes in read_parts(windows, "test_prefixes", encoding):
            cut_short -= len(prefixes)
            if running:
                write("test", running, prefixes, logits(prefixes, running))
        if cut_short:
            raise UserError(f"{windows}: test and test_prefixes do not hold the same long sessions.")
        for valid in read_parts(windows, "valid", encoding):
            write("valid", [0], valid, logits(valid, [0]))
            done += len(valid)
            meter.update(done)
    write_digest(output)
    if carts is not None:
        _score_carts(logits, windows, encoding, carts, visitors)
        write_digest(carts)


def load_model(checkpoint: Path) -> Logits:
    """Return the model of a checkpoint as a function to calibrated log odds, NaN for shorter sessions."""
    description = read_description(checkpoint)
    calibration = description.calibration
    if calibration is None:
        raise UserError(f"{checkpoint} predicts next events, not buyers: train it again.")
    code = checkpoint_code(checkpoint, description)
    if code.is_combination:
        combination: Combination = code.model.load(checkpoint)
        members = {name: load_model(checkpoint / MEMBERS / name) for name in combination.members}

        def combined(windows: Windows, steps: list[int]) -> NDArray[np.float64]:
            log_odds = {name: member(windows, steps) for name, member in members.items()}
            return calibrate(combination.combine(log_odds, steps), steps, calibration)

        return combined
    if not code.is_network:
        estimator: Estimator = code.model.load(checkpoint)
        return lambda windows, steps: calibrate(estimator.logits(windows, steps), steps, calibration)
    assert description.batch_size is not None
    forward = load_network(checkpoint)
    shapes = batch_shapes(length=description.window, batch_size=description.batch_size)
    running = running_column(description.prefixes)

    def logits(windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        log_odds = network_logits(forward, windows, steps, shapes=shapes, running=running)
        return calibrate(log_odds, steps, calibration)

    return logits


def _score_carts(
    logits: Logits, windows: Path, encoding: Encoding, output: Path, visitors: Visitors | None
) -> None:
    """Write the scores of test's sessions as running ones, at the event of their first add-to-cart."""
    code = cart_code(EncoderFile.read(windows / "encoder.json"))
    with _writer(output, visitors) as write:
        if code is None:
            return
        for part in read_from_start(windows, "test", encoding):
            at = first_steps_with(part, code)
            sessions = take(part, np.flatnonzero(at))
            at = at[at > 0]
            for steps in np.unique(at).tolist():
                some = first_steps(take(sessions, np.flatnonzero(at == steps)), steps)
                write("test", [steps], some, logits(some, [steps]))


def cart_code(encoder: EncoderFile) -> int | None:
    """Return the code of an add-to-cart event, None where train has none or windows show no events."""
    names = [str(name) for name in encoder.vocabularies.get("event", [])]
    return FIRST_VALUE + names.index(CART) if CART in names else None


def first_steps_with(windows: Windows, code: int) -> NDArray[np.int64]:
    """Return a session's number of own steps up to the first event of this code, int64 [n], 0 without."""
    codes = windows.codes_of("event")
    assert codes is not None, "the vocabulary has the code, so windows have the field"
    session = np.repeat(np.arange(len(windows)), windows.lengths)
    step = np.arange(len(codes)) - windows.offsets[session] - windows.history[session] + 1
    matching = np.flatnonzero((codes == code) & (step >= 1))
    sessions, first = np.unique(session[matching], return_index=True)
    out = np.zeros(len(windows), np.int64)
    out[sessions] = step[matching[first]]
    return out


@contextmanager
def _writer(output: Path, visitors: Visitors | None) -> Iterator[Write]:
    """Yield a function that writes the sessions that have a score, step by step."""
    schema = SCHEMA if visitors is None else SCHEMA.append(pa.field(VISITOR, pa.uint64()))

    def write(split: str, steps: list[int], windows: Windows, logits: NDArray[np.float64]) -> None:
        buyers = pa.array(windows.buyer)
        visitor = [] if visitors is None else [pa.array(visitors.of(windows.session_id))]
        for step, log_odds in zip(steps, logits, strict=True):
            rows = np.flatnonzero(~np.isnan(log_odds))
            columns = [
                windows.session_id.take(pa.array(rows)),
                pa.repeat(split, len(rows)),
                pa.repeat(pa.scalar(step, pa.int32()), len(rows)),
                buyers.take(rows),
                pa.array(expit(log_odds[rows])),
                *(column.take(rows) for column in visitor),
            ]
            writer.write_table(pa.table(columns, schema=schema))

    with (
        atomic_write(output) as temporary,
        pq.ParquetWriter(temporary, schema, use_dictionary=DICTIONARY_COLUMNS) as writer,
    ):
        yield write
