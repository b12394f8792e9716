"""The windows step: fit the encoder on train, then write the last steps of each session as codes and numbers.

As in the sessions step, a Spark task turns one part into one part of each split; there is no shuffle.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from rabbithole.artifacts.data import (
    Fields,
    SessionsManifest,
    WindowCounts,
    WindowEventCounts,
    WindowsManifest,
)
from rabbithole.errors import UserError
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter, manifest_path, new_folder, read_part
from rabbithole.io.storage import Folder, Part, fetched, stored_folder
from rabbithole.sessions.counts import Counts
from rabbithole.sessions.session_task import HISTORY
from rabbithole.sessions.splitting import SPLITS
from rabbithole.spark.session import spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, Sent, ShufflePlan, map_indexed, partition_of, shuffle
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.specs.data import SparkOptions, WindowsSpec
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import MISSING, UNSEEN, log_fields
from rabbithole.windows.fitting import VALUE_COUNT_SCHEMA, count_values, fit_encoder, selected_fields
from rabbithole.windows.steps import step_columns

PREFIX_FOLDERS = {"valid": "valid_prefixes", "test": "test_prefixes"}
"""Folders by split, with the first steps of sessions longer than the window. They are scored as running."""

FOLDERS = (*SPLITS, *PREFIX_FOLDERS.values())

PRICE_HISTORY = "prices.parquet"
"""Prices by item and time, which scoring needs for new logs. Only where costs come from purchases."""


class VocabularyCounter:
    """Counts the values in the train windows of the part of sessions with an index.

    partitions: to which counts are sent, each to that of its value's hash.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        spec: WindowsSpec,
        fields: Fields,
        *,
        history: bool,
        partitions: int,
    ) -> None:
        self.parts = parts
        self.history = history
        self.spec = spec
        self.fields = fields
        self.partitions = partitions

    def __call__(self, index: int) -> Iterator[Sent]:
        """Yield rows of `VALUE_COUNT_SCHEMA`, for each batch of the part its own."""
        columns = ["split", "open", *step_columns(self.fields)]
        columns += [HISTORY] if self.history else []
        for batch in read_part(self.parts[index], columns, coded=self.fields.categorical):
            sessions = pa.Table.from_batches([batch])
            in_train = pc.equal(sessions["split"], "train")
            if not self.spec.keep_open:
                in_train = pc.and_(in_train, pc.invert(sessions["open"]))
            train = sessions.filter(in_train).combine_chunks()
            if len(train):
                counts = pa.Table.from_batches(count_values(train, self.spec, self.fields))
                values = pc.binary_join_element_wise(counts["field"], pc.coalesce(counts["value"], ""), " ")
                yield counts, partition_of(values, self.partitions)


def add_counts(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the sums of rows of `VALUE_COUNT_SCHEMA`, one row for each field and value."""
    sums = VALUE_COUNT_SCHEMA.empty_table()
    for rows in tables:
        sums = pa.concat_tables([sums, rows]).group_by(["field", "value"], use_threads=False)
        sums = sums.aggregate([(name, "sum") for name in ("count", "total", "squares")])
        sums = sums.rename_columns(VALUE_COUNT_SCHEMA.names)
    yield from sums.to_batches()


def window_schema(fields: Fields, *, history: bool) -> pa.Schema:
    """Return the schema of windows: labels, the number of history steps if any, and a list per field."""
    return pa.schema(
        [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
        + ([(HISTORY, pa.int32())] if history else [])
        + [(name, pa.list_(pa.int32())) for name in fields.categorical]
        + [(name, pa.list_(pa.float32())) for name in fields.numeric]
    )


def build_windows(
    spec: WindowsSpec, *, sessions: Path, output: Path, spark: SparkOptions, storage: str | None = None
) -> None:
    """Write windows of at most `length` own steps (a folder per split), the encoder, and the manifest.

    storage: the address of the data set's data, None: in `output`.

    A field that is not in `spec.fields`, or that has one value throughout train (`fit_encoder`), is in no
    window. Raises `UserError` when a split holds no session, or when the log lacks a field.
    """
    source, stored = SessionsManifest.of(sessions), stored_folder(storage, output)
    parts, selected = source.part_files(sessions), selected_fields(spec, source.fields)
    roots = _category_roots(source.file(sessions, source.category_roots)) if source.category_roots else {}
    history = source.history > 0
    with new_folder(output, stored):
        for name in FOLDERS:
            (output / name).mkdir()
        with spark_session(spark, "windows") as session:
            counter = VocabularyCounter(parts, spec, selected, history=history, partitions=len(parts))
            plan = ShufflePlan(VALUE_COUNT_SCHEMA, counter.partitions)
            with watch_tasks(session, Stage("counting values")):
                values = shuffle(session, len(parts), counter, plan, add_counts, VALUE_COUNT_SCHEMA)
            if len(values) == 0:
                raise _empty_split("train")
            encoder = fit_encoder(values, spec, selected, roots, history=source.history)
            task = WindowTask(parts, stored or output, encoder, keep_open=spec.keep_open, history=history)
            with watch_tasks(session, Stage("encoding")):
                reports = map_indexed(session, len(parts), task, REPORT_SCHEMA)
            counts = WindowTaskCounts.total_of_reports(reports)
        _check_counts(counts, source.events.kept)
        encoder.save(output)
        if source.price_history is not None:
            with fetched(source.file(sessions, source.price_history)) as prices:
                shutil.copyfile(prices, output / PRICE_HISTORY)
        files = WindowsManifest.files_of(output, counts.parts, stored)
    fitted = encoder.fitted
    WindowsManifest(
        files=files,
        storage=stored and stored.address,
        rows=sum(split.rows for split in counts.splits.values()),
        splits=counts.splits,
        open=counts.open,
        events=counts.events,
        keep_open=spec.keep_open,
        sizes=fitted.sizes,
        rare={name: len(values) for name, values in fitted.rare.items()},
        length=spec.length,
        minimum_item_count=spec.minimum_item_count,
        minimum_counts={name: spec.minimum_counts.get(name, spec.minimum_item_count) for name in fitted.rare},
        timezone=spec.timezone,
        fields=fitted.fields,
        left_out=[name for name in log_fields(source.fields).names if name not in selected.names],
        absent=[name for name in selected.names if name not in fitted.fields.names],
        columns={field.name: str(field.type) for field in window_schema(fitted.fields, history=history)},
        price_history=None if source.price_history is None else PRICE_HISTORY,
        history=source.history,
    ).write(manifest_path(output))


def _category_roots(file: Part) -> Mapping[str, str]:
    """Return the root above each category of the shop's category tree."""
    with fetched(file) as path:
        table = pq.read_table(path)
    return dict(zip(table["category"].to_pylist(), table["root"].to_pylist(), strict=True))


class WindowTaskCounts(Counts):
    """Where sessions and events went. open: open sessions that are not in a window; parts: files by name."""

    open: int = 0
    events: WindowEventCounts = WindowEventCounts(total=0, kept=0, open=0, beyond=0)
    splits: dict[str, WindowCounts] = Field(default={})
    parts: dict[str, WrittenFile] = Field(default={})


class WindowTask:
    """Turns the part of sessions with an index into a part of each folder of windows."""

    def __init__(
        self, parts: Sequence[Part], folder: Folder, encoder: Encoder, *, keep_open: bool, history: bool
    ) -> None:
        self.parts = parts
        self.folder = folder
        self.encoder = encoder
        self.keep_open = keep_open
        self.history = history

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Write the parts and yield their `WindowTaskCounts` as a report."""
        counts, fields = WindowTaskCounts(), self.encoder.fitted.fields
        columns = ["session_id", "split", "buyer", "open", "events", *step_columns(fields)]
        columns += [HISTORY] if self.history else []
        schema = window_schema(fields, history=self.history)
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(PartWriter(self.folder, index, schema, name)) for name in FOLDERS
            }
            for batch in read_part(self.parts[index], columns, coded=fields.categorical):
                counts += self._write(pa.Table.from_batches([batch]), writers)
        parts = {name: file for writer in writers.values() for name, file in writer.written.items()}
        yield (counts + WindowTaskCounts(parts=parts)).to_report()

    def _write(self, sessions: pa.Table, writers: Mapping[str, PartWriter]) -> WindowTaskCounts:
        """Write the windows of sessions and return their counts."""
        length = self.encoder.fitted.length
        excluded = sessions.slice(0, 0) if self.keep_open else sessions.filter(sessions["open"])
        kept = sessions if self.keep_open else sessions.filter(pc.invert(sessions["open"]))
        splits = {}
        for split in SPLITS:
            of_split = kept.filter(pc.equal(kept["split"], split)).combine_chunks()
            if len(of_split) == 0:
                continue
            windows = _with_labels(of_split, self.encoder.encode_last(of_split))
            writers[split].write(windows)
            long = of_split.filter(pc.greater(of_split["events"], length)).combine_chunks()
            if split in PREFIX_FOLDERS and len(long):
                prefixes = _with_labels(long, self.encoder.encode_first(long))
                writers[PREFIX_FOLDERS[split]].write(prefixes)
            splits[split] = _window_counts(windows, self.encoder.fitted.fields, len(long))
        events = WindowEventCounts(
            total=_sum(sessions["events"]),
            kept=sum(split.steps - split.history for split in splits.values()),
            open=_sum(excluded["events"]),
            beyond=_sum(pc.max_element_wise(pc.subtract(kept["events"], length), 0)),
        )
        return WindowTaskCounts(open=len(excluded), events=events, splits=splits)


def _with_labels(sessions: pa.Table, steps: pa.Table) -> pa.Table:
    labels = {name: sessions[name] for name in ("session_id", "buyer", "events")}
    if HISTORY in sessions.column_names:
        labels[HISTORY] = sessions[HISTORY]
    return pa.table(labels | {name: steps[name] for name in steps.column_names})


def _window_counts(windows: pa.Table, fields: Fields, cut_short: int) -> WindowCounts:
    codes = {name: pc.list_flatten(windows[name]).combine_chunks().to_numpy() for name in fields.categorical}
    history = windows[HISTORY] if HISTORY in windows.column_names else pa.chunked_array([], pa.int32())
    return WindowCounts(
        rows=len(windows),
        buyers=_sum(windows["buyer"].cast(pa.int64())),
        steps=_sum(pc.list_value_length(windows[fields.names[0]])),
        cut_short=cut_short,
        missing={name: int(np.sum(values == MISSING)) for name, values in codes.items()},
        unseen={name: int(np.sum(values == UNSEEN)) for name, values in codes.items()},
        history=_sum(history),
        with_history=_sum(pc.greater(history, 0).cast(pa.int64())),
    )


def _sum(values: pa.ChunkedArray) -> int:
    total: int = pc.sum(values, min_count=0).as_py()
    return total


def _check_counts(counts: WindowTaskCounts, events: int) -> None:
    """Raise `UserError` if a split is empty; check that every event of the sessions is counted once."""
    for split in SPLITS:
        if split not in counts.splits:
            raise _empty_split(split)
    parts = counts.events.kept + counts.events.open + counts.events.beyond
    if not events == counts.events.total == parts:
        raise RuntimeError(f"The {events} events do not add up: {counts.events}")


def _empty_split(split: str) -> UserError:
    return UserError(
        f"The {split} split holds no session, apart from those still open at the end of the log. "
        "Take a longer log, another split, a smaller sessions.open_horizon_hours (or gap), or "
        "sessions.keep_open: true."
    )
