"""Raw log to events: read every line, set bad ones aside, sort by session and time, write Parquet.

One shuffle: lines are parsed where they are read, sent to the part of their session and sorted there.
"""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from rabbithole.errors import UserError
from rabbithole.formats import retailrocket, yoochoose
from rabbithole.formats.retailrocket import PROPERTIES, ROOTS, Properties, roots, tree_facts
from rabbithole.ingest.event_task import EVENT_SCHEMA, FOUND, ROWS, EventTask, merge, partition_of
from rabbithole.ingest.lines import FileRange, RawFile, split_files
from rabbithole.ingest.locate import PUBLISHED
from rabbithole.ingest.reading import Layout, Report, collect, read_range, require_good
from rabbithole.io.archives import unpack
from rabbithole.io.atomic import atomic_write, remove
from rabbithole.io.manifests import write_manifest
from rabbithole.io.parts import manifest_path
from rabbithole.spark.session import SparkOptions, spark_session
from rabbithole.spark.shuffle import map_indexed, shuffle

LAYOUTS: dict[str, dict[str, Layout]] = {"yoochoose": yoochoose.LAYOUTS, "retailrocket": retailrocket.LAYOUTS}

EVENT_ROLES = {"yoochoose": ("clicks", "buys"), "retailrocket": ("events",)}
"""Roles whose lines are events; a later role's lines come after an earlier one's at an equal time."""


def build_events(
    *,
    format: str,
    files: dict[str, list[Path]],
    output: Path,
    rejected: Path,
    max_rejected: float,
    drop_duplicates: bool,
    spark: SparkOptions,
) -> None:
    """Read a raw log and write its events to `output`, its bad lines to `rejected`, and both manifests.

    `files`: role to files, as `locate` gives them. `max_rejected`: the share of lines that may be bad, 0
    to 1. Raises `UserError` when more are, when a file is empty or damaged, or when no event is left.
    """
    for folder in (output, rejected):
        # The manifest goes first, so that a killed run never leaves one beside data that it doesn't describe.
        remove(manifest_path(folder))
    with (
        tempfile.TemporaryDirectory(prefix="rabbithole-events-") as scratch,
        atomic_write(output) as events,
        atomic_write(rejected) as bad,
    ):
        raw = _raw_files(format, files, Path(scratch))
        with spark_session(spark, "events") as session:
            report, found, facts = _run(
                session, spark, format, raw, Path(scratch), events, bad, max_rejected, drop_duplicates
            )
        if found.get("rows", 0) == 0:
            names = ", ".join(file.name for file in raw)
            raise UserError(f"No event in {names}: {report.total('lines')} lines.")
    write_manifest(rejected, rows=report.total("rejected"), reasons=report.reasons)
    write_manifest(output, **_facts(format, files, report, found), **facts)


def _raw_files(format: str, files: dict[str, list[Path]], scratch: Path) -> list[RawFile]:
    raw: list[RawFile] = []
    for role in LAYOUTS[format]:
        for path in files.get(role, []):
            folder = scratch / f"raw-{len(raw)}"
            folder.mkdir()
            plain = unpack(path, PUBLISHED[format][role], folder)
            raw.append(RawFile(role, str(path), str(plain.absolute()), len(raw)))
    return raw


def _bytes(raw: list[RawFile]) -> int:
    """Return the size of the files, .gz ones about as they are unpacked."""
    return sum(Path(file.path).stat().st_size * (6 if file.path.endswith(".gz") else 1) for file in raw)


def _run(
    session: SparkSession,
    options: SparkOptions,
    format: str,
    raw: list[RawFile],
    scratch: Path,
    events: Path,
    bad: Path,
    max_rejected: float,
    drop_duplicates: bool,
) -> tuple[Report, dict[str, Any], dict[str, Any]]:
    """Run the Spark jobs; return the report on lines, what the parts hold, and facts of the format."""
    side = scratch / "side"
    side.mkdir()
    events.mkdir()
    pieces = split_files(raw, options.partitions(_bytes(raw)))
    by_role: dict[str, list[FileRange]] = {role: [] for role in LAYOUTS[format]}
    for piece in pieces:
        by_role[piece.file.role].append(piece)
    facts: dict[str, Any] = {}
    properties = None
    if format == "retailrocket":
        properties, tree, facts = _properties(session, by_role, side)
        if tree is not None:
            pq.write_table(roots(tree), events / ROOTS)
        for name, known in (("category", properties.category), ("cost", properties.price)):
            # What was known of items when, for the checks; readers of the folder pass it by.
            pq.write_table(known.table(), events / f"_{name}.parquet")
    lines = [piece for role in EVENT_ROLES[format] for piece in by_role[role]]
    count = options.partitions(_bytes([file for file in raw if file.role in EVENT_ROLES[format]]))
    layouts = LAYOUTS[format]

    def read(index: int) -> Iterator[tuple[pa.Table, NDArray[np.int32]]]:
        for table in read_range(lines[index], layouts[lines[index].file.role], side):
            yield table, partition_of(table["session_id"], count)

    gather = EventTask(
        events,
        visitors=format == "retailrocket",
        drop_duplicates=drop_duplicates,
        properties=properties,
    )
    found = shuffle(session, len(lines), read, count, gather, sent=ROWS, found=FOUND)
    report = collect(pieces, side, bad)
    require_good(report, max_rejected, EVENT_ROLES[format])
    return report, merge(found), facts


def _properties(
    session: SparkSession, pieces: dict[str, list[FileRange]], side: Path
) -> tuple[Properties, pa.Table | None, dict[str, Any]]:
    """Read the snapshots of item properties and the category tree, where they are there."""
    facts: dict[str, Any] = {}
    found = PROPERTIES.empty_table()
    if parts := pieces["item_properties"]:
        layout = retailrocket.LAYOUTS["item_properties"]

        def read(index: int) -> Iterator[pa.RecordBatch]:
            for table in read_range(parts[index], layout, side):
                yield from table.select(PROPERTIES.names).to_batches()

        found = map_indexed(session, len(parts), read, PROPERTIES)
    tree = None
    if parts := pieces["category_tree"]:
        layout = retailrocket.LAYOUTS["category_tree"]
        tables = [table for piece in parts for table in read_range(piece, layout, side)]
        if tables:
            tree = pa.concat_tables(tables)
            facts["category_tree"] = tree_facts(tree)
    known = None if tree is None else tree["categoryid"].unique()
    return Properties.build(found, known), tree, facts


def _facts(
    format: str, files: dict[str, list[Path]], report: Report, found: dict[str, Any]
) -> dict[str, Any]:
    """Return the manifest's facts: where every line went, and what the events are."""
    roles = EVENT_ROLES[format]
    visitors = found["sessions"] if format == "retailrocket" else None
    sums = {name: report.total(name, roles) for name in ("lines", "header", "blank", "rejected")}
    lines = {**sums, "duplicates": found["duplicates"], "kept": found["rows"]}
    assert lines["lines"] == sum(count for name, count in lines.items() if name != "lines"), lines
    shares = {
        f"share_{name}": found[name] / found["rows"]
        for name in ("with_category", "with_cost", "category_in_tree")
        if name in found
    }
    return {
        "format": format,
        "rows": found["rows"],
        "sessions": found["sessions"],
        "visitors": visitors,
        "items": found["items"],
        "events": found["events"],
        "first": _moment(found["first"]),
        "last": _moment(found["last"]),
        "last_microseconds": found["last"],
        "lines": lines,
        "files_read": report.files,
        "files_missing": [role for role in LAYOUTS[format] if not files.get(role)],
        "rejected": report.total("rejected"),
        "rejected_reasons": report.reasons,
        "rejected_examples": report.examples,
        "schema": {field.name: str(field.type) for field in EVENT_SCHEMA},
        **shares,
    }


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")
