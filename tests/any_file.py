"""Read any bytes as a log of any format, without Spark, and check that every line is accounted for."""

import tempfile
from pathlib import Path

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import RawFormat, log_format, raw_format
from rabbithole.ingest.blocks import TEXT_LENGTH
from rabbithole.ingest.lines import split_files, unpack_all
from rabbithole.ingest.reading import collect_report, read_range
from rabbithole.ingest.row_schema import raw_event_schema
from rabbithole.io.archives import packing
from rabbithole.specs.data import TableLog

TABLE = {
    "files": "*",
    "session": "s",
    "time": "t",
    "event": "view",
    "item": "i",
    "cost": "p",
    "fields": {"field": {"column": "f"}},
}
CSV = {**TABLE, "header": ["s", "t", "i", "p", "f"]}
EXPLODED = {**TABLE, "kind": "json", "explode": "items", "item": "items.i", "cost": "items.p"}


def _table(settings: dict[str, object]) -> RawFormat:
    log = TableLog.model_validate({"key": "session", "tables": {"events": settings}})
    return log_format("table", log)


KINDS = [
    *((raw_format("yoochoose"), role) for role in ("clicks", "buys")),
    *((raw_format("retailrocket"), role.name) for role in raw_format("retailrocket").roles),
    (_table(CSV), "events"),
    (_table({**CSV, "separator": ";", "quote": None, "decimal": ",", "encoding": "latin-1"}), "events"),
    (_table({**TABLE, "kind": "json"}), "events"),
    (_table(EXPLODED), "events"),
    (_table(TABLE), "events"),
    (_table({**CSV, "kind": "csv", "explode": "i"}), "events"),
    (_table({**CSV, "kind": "csv", "explode": "i", "list_separator": "|"}), "events"),
]
"""Formats with the role that a file is read as: fixed ones, then tables of CSV, of JSON, of any kind, and of
CSV with lists in its cells."""


def check_any_file(kind: int, content: bytes) -> int | None:
    """Read a file; return how many lines it has, None if it is refused.

    kind: an index of `KINDS`. Raises whatever reading raises but `UserError`, and `AssertionError` for a line
    that is lost, misnumbered or misquoted.
    """
    format, name = KINDS[kind]
    (role,) = (each for each in format.roles if each.name == name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (path := folder / "log").write_bytes(content)
        (side := folder / "side").mkdir()
        (scratch := folder / "scratch").mkdir()
        try:
            files = unpack_all(format, {name: [path]}, scratch)
            ranges = split_files(files, 1)
            schema = raw_event_schema(format) if role.events else None
            rows = sum(len(table) for part in ranges for table in read_range(part, role, side, schema))
            report = collect_report(ranges, side, folder / "rejected")
        except UserError as error:
            assert all(line.isprintable() for line in str(error).split("\n")), str(error)
            return None
        total = report.total
        assert total("lines") + total("exploded") == sum(map(total, ("header", "blank", "rejected", "rows")))
        assert rows <= total("rows")
        assert sum(report.reasons.values()) == total("rejected")
        layout = files[0].layout
        if packing(path) is None and layout.kind != "parquet" and layout.decoded_from is None:
            lines = content.split(b"\n")
            assert total("lines") == len(lines) - (lines[-1] == b"")
            for bad in report.examples:
                text = lines[bad.line - 1][: 4 * TEXT_LENGTH].decode(layout.encoding, "replace")
                assert bad.text == printable(text.rstrip("\r\n")[:TEXT_LENGTH])
        return total("lines")
