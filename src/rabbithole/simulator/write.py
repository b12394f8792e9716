"""Simulate a shop: write its raw log, its parameters, and the hidden truth."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import RawFiles
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.progress import Meter
from rabbithole.simulator.catalogue import make_catalogue, write_catalogue
from rabbithole.simulator.registry import Chunk, LogWriter, load_shop
from rabbithole.simulator.shop import Ints, SimulatorParameters
from rabbithole.simulator.shoppers import Events, draw_after_purchase, draw_events, make_samplers
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


def simulate(spec: SimulateSpec, *, output: Path) -> None:
    """Write the simulated log of a shop: a folder of raw files with their published names.

    The folder also holds parameters.json and items.parquet (all that the oracle needs), and truth.parquet
    (session_id, buyer, events before the purchase, hidden state of each). Equal specs give equal bytes.

    Raises `UserError` for an unknown shop, and when there is no session to simulate.
    """
    if spec.sessions < 1:
        raise UserError(f"{spec.sessions} sessions cannot be simulated: use at least 1.")
    module = load_shop(spec.shop)
    shop = module.SHOP
    catalogue = make_catalogue(shop, spec.sessions, random_stream(spec.seed, 0))
    samplers = make_samplers(shop, catalogue)
    with atomic_write(output) as folder:
        folder.mkdir()
        with ExitStack() as stack:
            writer = module.Writer(shop, catalogue, folder, stack)
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
        RawFiles.seal(folder)


def split_sessions(sessions: int, writer: LogWriter) -> Iterator[Chunk]:
    """Yield the chunks of a log with so many labelled sessions, in order."""
    for first in range(0, sessions, SESSIONS_PER_CHUNK):
        end = min(first + SESSIONS_PER_CHUNK, sessions)
        yield Chunk(first, end - first, writer.unlabelled(end) - writer.unlabelled(first))


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Return the independent stream of random numbers of a key."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


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
