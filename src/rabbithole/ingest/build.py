"""Raw log to events: parse every line, set bad ones aside, sort by session and time, write Parquet.

There is one shuffle: each line is parsed where it is read, sent to the partition of its session, and sorted
there.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from rabbithole.artifacts.data import (
    CategoryTreeCounts,
    EventsManifest,
    LineCounts,
    RawFiles,
    RejectedManifest,
)
from rabbithole.errors import UserError
from rabbithole.formats.base import HistoryName, RawFormat, log_format
from rabbithole.formats.side_tables import SideTables
from rabbithole.ingest.event_task import (
    COUNTED_SCHEMA,
    EVENT_SCHEMA,
    TASK_SCHEMA,
    EventTask,
    LogCounts,
    count_task_rows,
    merge_counts,
)
from rabbithole.ingest.hashed_ids import IdHasher, read_key
from rabbithole.ingest.item_data import (
    CATEGORY_HISTORY,
    CATEGORY_ROOTS,
    COST_HISTORY,
    build_side_tables,
    ranges_of,
    reading,
)
from rabbithole.ingest.lines import Allowance, FileRange, split_files, unpack_all, unpacked_size
from rabbithole.ingest.reading import LineReport, collect_report, read_range, require_good
from rabbithole.ingest.remote import local_files
from rabbithole.ingest.row_schema import FIELD_TYPES, raw_event_schema
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE, manifest_path, new_folder
from rabbithole.io.scratch import scratch_folder
from rabbithole.io.storage import stored_folder
from rabbithole.spark.session import spark_session
from rabbithole.spark.shuffle import Sent, ShufflePlan, partition_of, shuffle
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.specs.data import EventsSpec, SparkOptions


def build_events(
    spec: EventsSpec,
    *,
    output: Path,
    rejected: Path,
    spark: SparkOptions,
    known: Mapping[HistoryName, Path] | None = None,
    storage: str | None = None,
    lenient: bool = False,
) -> None:
    """Read a raw log; write its events to `output`, its bad lines to `rejected`, and both manifests.

    storage: the address of the data set's data, None: in `output` and `rejected`.

    known: what an earlier log said about the items (files of `write_history`); this log adds to it; lenient:
    whether the log may lack columns, except those of session, visitor, time and event.

    Remote files are fetched to a folder beside `output` first. Raises `UserError` when a file is missing,
    empty or damaged, when too many lines are bad, or when there is no event.
    """
    format = log_format(spec.format, spec.table)
    if lenient:
        format = format.leniently()
    simulated = output.with_name("raw")
    # A log of the user's own has no digests.
    if Path(str(spec.source)).absolute() == simulated.absolute() and (simulated / RawFiles.name).exists():
        RawFiles.check(simulated)
    stored, stored_rejected = stored_folder(storage, output), stored_folder(storage, rejected)
    with (
        new_folder(output, stored),
        new_folder(rejected, stored_rejected),
        local_files(spec.format, spec.source, output.with_name("fetched"), spec.table) as files,
        scratch_folder("events") as scratch,
    ):
        raw = unpack_all(format, files, scratch)
        side = scratch / "side"
        side.mkdir()
        with spark_session(spark, "events") as session:
            ranges = split_files(raw, spark.partitions(unpacked_size(raw)))
            tables = None
            if format.side_tables is not None:
                tables = build_side_tables(
                    session, spark, format, ranges, side, spec.max_rejected, output, known or {}
                )
            by_visitor = format.has_visitors and not format.visitor_column
            task = EventTask(
                stored or output,
                written_schema(format),
                by_visitor,
                spec.drop_duplicates,
                tables,
                partitions=spark.threads,
                run_bytes=spark.run_bytes,
                category_path=format.category_path,
            )
            returned = _write_events(session, spark, format, ranges, task, side, spec)
        report = collect_report(ranges, side, rejected)
        in_parts = [role.name for role in format.roles if role.table is not None]
        require_good(report, spec.max_rejected, format.event_roles, in_parts)
        counts = merge_counts(returned)
        if counts is None:
            names = ", ".join(file.name for file in raw)
            raise UserError(f"No event in {names}: {report.total('lines')} lines.")
        rejected_files = RejectedManifest.files_of(rejected, stored=stored_rejected)
        files_written = EventsManifest.files_of(output, counts.parts, stored)
    missing = [role.name for role in format.roles if not files.get(role.name)]
    RejectedManifest(
        files=rejected_files,
        storage=stored_rejected and stored_rejected.address,
        rows=report.total("rejected"),
        reasons=report.reasons,
    ).write(manifest_path(rejected))
    manifest = _manifest(format, files_written, report, counts, tables, missing)
    manifest.model_copy(update={"storage": stored and stored.address}).write(manifest_path(output))


def _write_events(
    session: SparkSession,
    options: SparkOptions,
    format: RawFormat,
    ranges: list[FileRange],
    task: EventTask,
    side: Path,
    spec: EventsSpec,
) -> pa.Table:
    """Read the event files and write the parts of the events; return what the tasks return."""
    ranges = ranges_of(ranges, format.event_roles)
    partitions = options.partitions(unpacked_size({file_range.file for file_range in ranges}))
    roles = {role.name: role for role in format.roles}
    sent = raw_event_schema(format)
    allowance = Allowance.of({file_range.file for file_range in ranges}, roles, spec.max_rejected)
    hasher = None if spec.hash_ids is None else IdHasher(read_key(Path(spec.hash_ids)))

    def read(index: int) -> Iterator[Sent]:
        role = roles[ranges[index].file.role]
        for table in read_range(ranges[index], role, side, sent, allowance, hasher):
            yield table, partition_of(table["session_id"], partitions)

    with watch_tasks(session, reading(ranges), Stage("sorting")):
        return shuffle(
            session,
            len(ranges),
            read,
            ShufflePlan(TASK_SCHEMA, task.partitions),
            count_task_rows,
            COUNTED_SCHEMA,
            first=(ShufflePlan(sent, partitions, options.run_bytes), task),
        )


def event_schema(format: RawFormat) -> pa.Schema:
    """Return the schema of the events of a log: `EVENT_SCHEMA`, and its further fields."""
    fields = {name: FIELD_TYPES[kind] for name, kind in format.fields.items()}
    return pa.schema({field.name: field.type for field in EVENT_SCHEMA} | fields)


def written_schema(format: RawFormat) -> pa.Schema:
    """Return the schema of events as they are in memory while they are written.

    Those of a log of tables are dictionaries where words repeat: in fields, and in sessions and visitors.
    """
    coded = {name for name, kind in format.fields.items() if kind == "category"} | set(DICTIONARY_COLUMNS)
    coded |= {"session_id", "visitor"}
    if format.tables is None:
        coded = set()
    schema = event_schema(format)
    return pa.schema({field.name: DICTIONARY_TYPE if field.name in coded else field.type for field in schema})


def _visitors(format: RawFormat, log: LogCounts) -> int | None:
    """Return the number of visitors, None if the log names none."""
    if format.visitor_column:
        return log.visitors
    return log.events.sessions if format.has_visitors else None


def _manifest(
    format: RawFormat,
    files: dict[str, WrittenFile],
    report: LineReport,
    log: LogCounts,
    tables: SideTables | None,
    missing: list[str],
) -> EventsManifest:
    """Return the manifest: where every line went, and what the events are."""
    counts = log.events
    roles, tree = format.event_roles, tables.tree if tables is not None else None
    lines = LineCounts(
        lines=report.total("lines", roles),
        exploded=report.total("exploded", roles),
        header=report.total("header", roles),
        blank=report.total("blank", roles),
        rejected=report.total("rejected", roles),
        left_out=report.total("left_out", roles),
        duplicates=counts.duplicates,
        kept=counts.rows,
    )
    counted = lines.header + lines.blank + lines.rejected + lines.left_out
    counted += lines.duplicates + lines.kept
    if lines.lines + lines.exploded != counted:
        # Not an assert, which Python leaves out with -O.
        raise RuntimeError(f"The lines of the log do not add up: {lines}")
    in_tree = counts.category_in_tree
    return EventsManifest(
        files=files,
        format=format.name,
        rows=counts.rows,
        sessions=counts.sessions,
        visitors=_visitors(format, log),
        items=log.items,
        holds=list(format.holds),
        fields=dict(format.fields),
        events=counts.events,
        first=_iso_time(counts.first),
        last=_iso_time(counts.last),
        last_microseconds=counts.last,
        lines=lines,
        files_read=report.files,
        files_missing=missing,
        rejected=report.total("rejected"),
        rejected_reasons=report.reasons,
        rejected_examples=report.examples,
        columns={field.name: str(field.type) for field in event_schema(format)},
        share_with_category=counts.with_category / counts.rows,
        share_with_cost=counts.with_cost / counts.rows,
        share_category_in_tree=None if in_tree is None else in_tree / counts.rows,
        category_tree=(
            CategoryTreeCounts(categories=len(tree.categories), roots=tree.root_count)
            if tree is not None
            else None
        ),
        category_roots=CATEGORY_ROOTS if tree is not None else None,
        category_history=CATEGORY_HISTORY if tables is not None else None,
        cost_history=COST_HISTORY if tables is not None else None,
    )


def _iso_time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")
