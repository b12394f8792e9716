"""Write the log of a shop chunk by chunk as CSV files, with its parameters and the hidden truth.

Arrow formats the lines: no row passes through Python.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.progress import Meter
from rabbithole.simulator.catalogue import Catalogue, make_catalogue, write_catalogue
from rabbithole.simulator.chain import DAY
from rabbithole.simulator.shop import Ints, Shop, SimulatorParameters, random_stream
from rabbithole.simulator.shoppers import (
    AfterPurchase,
    Events,
    draw_after_purchase,
    draw_events,
    make_samplers,
)
from rabbithole.specs.data import SimulateSpec

SESSIONS_PER_CHUNK = 100_000
"""Labelled sessions that are drawn at a time, which bounds the memory. The result depends on it."""

TRUTH_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("buyer", pa.bool_()),
        ("events", pa.int32()),
        ("states", pa.list_(pa.int8())),
    ]
)


@dataclass(frozen=True)
class Chunk:
    """Sessions that are drawn and written together.

    first: labelled sessions before the chunk; labelled, unlabelled: sessions in it. The log does not hold
    the buys of unlabelled sessions.
    """

    first: int
    labelled: int
    unlabelled: int


class LogWriter(Protocol):
    """Writes the raw files of a shop chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the files in `folder`; the stack closes them."""

    def unlabelled(self, sessions: int) -> int:
        """Return the number of unlabelled sessions in a log with this number of labelled sessions."""

    def session_numbers(self, chunk: Chunk) -> Ints:
        """Return the numbers in the log of a chunk's labelled sessions, then of its unlabelled ones."""

    def write(
        self, chunk: Chunk, numbers: Ints, events: Events, after: AfterPurchase, rng: np.random.Generator
    ) -> None:
        """Write a chunk."""

    def finish(self, rng: np.random.Generator) -> None:
        """Write what does not belong to a chunk."""


def write_chunks(shop: Shop, writer_of: type[LogWriter], spec: SimulateSpec, folder: Path) -> None:
    """Write the raw files of a shop, parameters.json and items.parquet for the oracle, and truth.parquet.

    The truth has session_id, buyer, events before the purchase, and the hidden state of each.
    """
    catalogue = make_catalogue(shop, spec.sessions, random_stream(spec.seed, 0))
    samplers = make_samplers(shop, catalogue)
    with ExitStack() as stack:
        writer = writer_of(shop, catalogue, folder, stack)
        truth = stack.enter_context(pq.ParquetWriter(folder / "truth.parquet", TRUTH_SCHEMA))
        thread = stack.enter_context(ThreadPoolExecutor(1))

        def write(number: int, chunk: Chunk, events: Events) -> None:
            rng = random_stream(spec.seed, 2, number)
            after = draw_after_purchase(shop, samplers, events, rng)
            session_numbers = writer.session_numbers(chunk)
            writer.write(chunk, session_numbers, events, after, rng)
            truth.write_table(truth_table(session_numbers[: chunk.labelled], events))

        # One chunk is written while the next is drawn. Chunks are written in order.
        pending: Future[None] | None = None
        meter = Meter(spec.sessions, "sessions", whole=True)
        for number, chunk in enumerate(split_sessions(spec.sessions, writer)):
            meter.update(chunk.first)
            rng = random_stream(spec.seed, 1, number)
            events = draw_events(shop, samplers, chunk.labelled + chunk.unlabelled, rng)
            if pending is not None:
                pending.result()
            pending = thread.submit(write, number, chunk, events)
        if pending is not None:
            pending.result()
        writer.finish(random_stream(spec.seed, 3))
    write_catalogue(catalogue, folder / "items.parquet")
    SimulatorParameters(sessions=spec.sessions, seed=spec.seed, items="items.parquet", shop=shop).write(
        folder / "parameters.json"
    )


def split_sessions(sessions: int, writer: LogWriter) -> Iterator[Chunk]:
    """Yield the chunks of a log in order. sessions: the number of labelled ones."""
    for first in range(0, sessions, SESSIONS_PER_CHUNK):
        end = min(first + SESSIONS_PER_CHUNK, sessions)
        yield Chunk(first, end - first, writer.unlabelled(end) - writer.unlabelled(first))


def truth_table(numbers: Ints, events: Events) -> pa.Table:
    """Return the truth of a chunk's labelled sessions, which come first in `events`."""
    offsets = events.paths.offsets[: len(numbers) + 1].astype(np.int32)
    states = pa.ListArray.from_arrays(pa.array(offsets), pa.array(events.paths.state[: offsets[-1]]))
    columns = [
        pa.array(numbers).cast(pa.string()),
        pa.array(events.paths.buyer[: len(numbers)]),
        pa.array(np.diff(offsets)),
        states,
    ]
    return pa.table(columns, schema=TRUTH_SCHEMA)


_CLOCK = np.array([f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}." for s in range(86_400)], "S10")
_MILLISECONDS = np.array([f"{ms:03}Z" for ms in range(1000)], "S4")
_TIME = np.dtype([("date", "S10"), ("clock", "S10"), ("milliseconds", "S4")])


def format_times(time: Ints) -> pa.Array:
    """Return times (milliseconds since 1970, UTC) as text such as 2014-04-07T10:51:09.277Z."""
    if not len(time):
        return pa.array([], pa.string())
    day, within_day = np.divmod(time, DAY)
    first = int(day.min())
    dates = np.array([str(np.datetime64(number, "D")) for number in range(first, int(day.max()) + 1)], "S10")
    text = np.empty(len(time), _TIME)
    text["date"] = dates[day - first]
    second, millisecond = np.divmod(within_day, 1000)
    text["clock"] = _CLOCK[second]
    text["milliseconds"] = _MILLISECONDS[millisecond]
    offsets = np.arange(len(time) + 1, dtype=np.int32) * _TIME.itemsize
    return pa.StringArray.from_buffers(len(time), pa.py_buffer(offsets), pa.py_buffer(text))


def take_names(names: list[str], code: NDArray[np.integer]) -> pa.Array:
    """Return names[code] as text."""
    return pa.array(names, pa.string()).take(pa.array(code))


class CsvFile(AbstractContextManager):
    """A CSV file that grows table by table. No quotes; null is empty; "\\n" ends a line."""

    def __init__(self, path: Path, names: list[str], header: bool) -> None:
        """Open the file; write the names as its first line if `header`."""
        self.file = path.open("wb")
        self.names = names
        if header:
            self.file.write((",".join(names) + "\n").encode())

    def write(self, *columns: pa.Array | NDArray[np.integer]) -> None:
        """Append rows, one column for each name."""
        table = pa.table([pa.array(column) for column in columns], names=self.names)
        csv.write_csv(
            table, self.file, csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65536)
        )

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.file.close()
