"""Writes a simulated shop's raw log, with the parameters and the truth beside it."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, write_json
from rabbithole.simulator.catalogue import make_catalogue, write_catalogue
from rabbithole.simulator.retailrocket import Retailrocket
from rabbithole.simulator.shop import to_json
from rabbithole.simulator.shoppers import Events, draw_aftermath, draw_events, prepare
from rabbithole.simulator.shops import SHOPS
from rabbithole.simulator.yoochoose import Yoochoose

CHUNK = 100_000
"""Sessions drawn at a time: what bounds memory. Part of what a seed means."""

FILES: dict[str, type[Yoochoose] | type[Retailrocket]] = {
    "yoochoose": Yoochoose,
    "retailrocket": Retailrocket,
}

TRUTH = pa.schema(
    [
        ("session_id", pa.string()),
        ("buyer", pa.bool_()),
        ("events", pa.int32()),
        ("states", pa.list_(pa.int8())),
    ]
)


def simulate(*, format: str, sessions: int, seed: int, output: Path) -> None:
    """Write a simulated log of a shop as a folder of raw files under their published names.

    format: "yoochoose" or "retailrocket". sessions: labelled sessions, or visitors. The folder also holds
    parameters.json and items.parquet (all that the oracle needs) and truth.parquet (session_id, buyer,
    events before the purchase, hidden state of each). It appears whole; the same arguments give the same
    bytes.
    """
    if format not in SHOPS:
        raise UserError(f"no simulated shop is called {format!r}: there are {', '.join(SHOPS)}.")
    if sessions < 1:
        raise UserError(f"{sessions} sessions can't be simulated: give at least 1.")
    shop = SHOPS[format]
    catalogue = make_catalogue(shop, sessions, stream(seed, 0))
    draws = prepare(shop, catalogue)
    with atomic_write(output) as folder:
        folder.mkdir()
        with ExitStack() as stack:
            files = FILES[format](shop, catalogue, folder, stack)
            truth = stack.enter_context(pq.ParquetWriter(folder / "truth.parquet", TRUTH))
            writer = stack.enter_context(ThreadPoolExecutor(1))
            # One chunk is written while the next is drawn; chunks are written in their order.
            pending: Future[None] | None = None

            def write(
                first: int, count: int, first_test: int, tests: int, events: Events, chunk: int
            ) -> None:
                random = stream(seed, 2, chunk)
                after = draw_aftermath(shop, draws, events, random)
                number = files.numbers(first, count, first_test, tests)
                files.write(number, count, events, after, random)
                truth.write_table(truth_of(number[:count], events))

            for chunk, first in enumerate(range(0, sessions, CHUNK)):
                count = min(CHUNK, sessions - first)
                first_test = files.unlabelled(first)
                tests = files.unlabelled(first + count) - first_test
                events = draw_events(shop, draws, count + tests, stream(seed, 1, chunk))
                if pending is not None:
                    pending.result()
                pending = writer.submit(write, first, count, first_test, tests, events, chunk)
            if pending is not None:
                pending.result()
            files.finish(stream(seed, 3))
        write_catalogue(catalogue, folder / "items.parquet")
        write_json(
            folder / "parameters.json",
            {
                "format": format,
                "sessions": sessions,
                "seed": seed,
                "items": "items.parquet",
                "shop": to_json(shop),
            },
        )


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return a stream of random numbers of its own for each key."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def truth_of(number: NDArray[np.int64], events: Events) -> pa.Table:
    """Return the truth about a chunk's labelled sessions, which are its first ones."""
    offsets = events.paths.offsets[: len(number) + 1].astype(np.int32)
    states = pa.ListArray.from_arrays(pa.array(offsets), pa.array(events.paths.state[: offsets[-1]]))
    columns = [
        pa.array(number).cast(pa.string()),
        pa.array(events.paths.buyer[: len(number)]),
        pa.array(np.diff(offsets)),
        states,
    ]
    return pa.table(columns, schema=TRUTH)
