"""Detect how the files of a table are written: kind, separator, quote, header, encoding."""

import csv
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rabbithole.ingest.csv_lines import Dialect, split_line
from rabbithole.ingest.joined_lines import BREAK, joined_text
from rabbithole.ingest.layout import distinct_names
from rabbithole.ingest.streams import text_encoding
from rabbithole.inspection.event_words import CART_STEMS, PURCHASE_STEMS, VIEW_STEMS
from rabbithole.inspection.files import LogFile, NoTableError, head
from rabbithole.inspection.names import without_accents
from rabbithole.inspection.other_files import FOREIGN, no_table
from rabbithole.io.archives import unread_packing

Kind = Literal["csv", "json", "parquet"]


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    encoding: Python's name of it; columns: the names of all columns of a CSV file, numbers from 1 where it
    has no header, empty for JSON and Parquet, whose rows name their own; skip_lines: how many lines are
    before the header, or the first row; multiline: whether fields hold line breaks.
    """

    kind: Kind
    encoding: str = "utf-8"
    separator: str = ","
    quote: str | None = '"'
    header: bool = True
    columns: tuple[str, ...] = ()
    skip_lines: int = 0
    multiline: bool = False


FIRST_LINES = 50
"""Lines by which it is found out whether all are alike."""


def layout_of(file: LogFile, declared: str | None = None) -> Layout:
    """Return how a file is written. Raises `NoTableError` for a file that is no table.

    declared: the encoding of texts that are not UTF-8, None if it is to be found out.
    """
    start = head(file)
    if start.startswith(b"PAR1"):
        return Layout("parquet")
    for signature, name in FOREIGN.items():
        if start.startswith(signature):
            raise NoTableError(file, f"this is {name}. Write it as Parquet or CSV.")
    if problem := unread_packing(start, not file.seekable):
        raise NoTableError(file, f"this is {problem}.")
    encoding = _encoding(start, declared)
    text = decoded(start, encoding)
    if not text.strip() or "\0" in text:
        before, nul, _ = text.partition("\0")
        line = before.count("\n") + 1
        where = f" (line {line} has a NUL byte)" if nul else ""
        raise NoTableError(file, f"this is no text with columns, no JSON lines and no Parquet{where}.")
    if reason := no_table(text):
        raise NoTableError(file, reason)
    if text.lstrip()[:1] == "{":
        if _is_json(text):
            return Layout("json", encoding)
        _refuse_long_json(file, text)
    if text.lstrip()[:1] == "[":
        raise NoTableError(
            file,
            "this is one JSON array. Write one object a line, for instance with "
            "`jq -c '.[]' FILE > FILE.jsonl`.",
        )
    return _sniff(file, text, encoding)


def decoded(data: bytes, encoding: str) -> str:
    """Return bytes as text whose lines end in a line feed, without a byte order mark."""
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(start: bytes, declared: str | None) -> str:
    encoding = text_encoding(start, None)
    if encoding != "utf-8":
        return encoding
    try:
        start.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut.
        if error.start >= len(start) - 3:
            return "utf-8"
    else:
        return "utf-8"
    if declared is not None:
        return declared
    # Windows writes signs such as € with bytes that mean nothing in latin-1.
    if re.search(rb"[\x80-\x9f]", start):
        with suppress(UnicodeDecodeError):
            start.decode("windows-1252")
            return "windows-1252"
    return "latin-1"


def _refuse_long_json(file: LogFile, text: str) -> None:
    """Raise `NoTableError` if a text begins with a JSON object of several lines."""
    with suppress(ValueError, RecursionError):
        json.JSONDecoder().raw_decode(text.lstrip())
        raise NoTableError(
            file,
            "its JSON objects have several lines each. Write one object a line, for instance with "
            "`jq -c . FILE > FILE.jsonl`.",
        )


def _is_json(text: str) -> bool:
    line = text.lstrip().split("\n", 1)[0]
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _first_is_odd(lines: str, dialect: tuple[str, str, bool, int]) -> bool:
    """Return whether the first line of a table has another number of fields than most."""
    separator, quote, _, before = dialect
    rows = [row for row in lines.split("\n")[before : before + FIRST_LINES] if row.strip()]
    if not rows or separator not in rows[0]:
        return True
    counts = [len(split_line(row, Dialect(separator, quote)) or []) for row in rows]
    # An open quote, whose field goes on in the next line, gives 0.
    usual, number = Counter(counts).most_common(1)[0]
    return number > len(rows) / 2 and 0 != counts[0] != usual != 0


def _before_json(lines: str) -> Sequence[str] | None:
    """Return the header of lines that end with a TAB and a JSON object, empty if they have none.

    Returns None for other lines.
    """
    first, *rest = lines.rstrip("\n").split("\n")[:FIRST_LINES]
    if not rest or not all(_is_json(row.rpartition("\t")[2]) and "\t" in row for row in rest):
        return None
    if _is_json(first.rpartition("\t")[2]):
        return []
    names = [name.strip() for name in first.split("\t")]
    return distinct_names(names) if len(names) == rest[0].count("\t") + 1 else None


def _sniff(file: LogFile, text: str, encoding: str) -> Layout:
    """Return the dialect of separated text, by DuckDB's sniffer.

    The sniffer wants all lines alike. Where it finds no columns, it runs again without the lines that
    have another number of fields than most.
    """
    lines = text if text.count("\n") < 2 else text[: text.rfind("\n") + 1]
    if (fields := _before_json(lines)) is not None:
        # Such as a key, a TAB and JSON, whose quotes and commas part no fields.
        columns = tuple(fields or map(str, range(1, lines.split("\n", 1)[0].count("\t") + 2)))
        return Layout("csv", encoding, "\t", None, bool(fields), columns)
    dialect, skip = _dialect(lines), 0
    if dialect is None or _first_is_odd(lines, dialect):
        separator, alike = _lines_alike(lines)
        if alike and (again := _dialect(alike, separator)) is not None:
            skip = lines.split("\n").index(alike.split("\n", 1)[0])
            dialect, lines = again, alike
    if (dialect is None or dialect[0] == " ") and _is_aligned(lines):
        raise NoTableError(
            file,
            "blanks align its columns. Write one mark between them, for instance with "
            "`sed -E 's/ {2,}/\\t/g' FILE > FILE.tsv`.",
        )
    if dialect is None:
        raise NoTableError(file, "its lines do not have the same columns; which separator do they use?")
    separator, quote, header, before = dialect
    # The first line that is read says how many columns there are.
    skip += before
    lines = lines.split("\n", before)[-1]
    first = next(csv.reader(io.StringIO(lines), delimiter=separator, quotechar=quote))
    names = distinct_names([name.strip() for name in first]) if header else map(str, range(1, len(first) + 1))
    columns = tuple(names)
    if len(columns) == 1:
        _refuse_long_separator(file, lines)
    multiline = _has_breaks(lines, Dialect(separator, quote), len(columns))
    return Layout("csv", encoding, separator, quote, header, columns, skip, multiline)


def _refuse_long_separator(file: LogFile, text: str) -> None:
    """Raise `NoTableError` if all lines have equally many of a separator of several characters."""
    for mark in LONG_SEPARATORS:
        counts = {line.count(mark) for line in text.split("\n") if line}
        if len(counts) == 1 and counts != {0}:
            raise NoTableError(
                file,
                f"its fields are parted by {mark!r}, and separators are one character. Write it again, for "
                f"instance with `sed 's/{mark}/\\t/g' FILE > FILE.tsv`.",
            )


def _has_breaks(text: str, dialect: Dialect, columns: int) -> bool:
    """Return whether quotes that are open at the end of a line are closed by a later one."""
    assert dialect.quote is not None
    open_lines = [
        line for line in text.split("\n") if dialect.quote in line and split_line(line, dialect) is None
    ]
    wrong = 0
    for record in joined_text(text, dialect).split("\n") if open_lines else []:
        wrong += bool(record) and not _has_columns(record, dialect, columns)
        # A stray quote swallows whole rows up to the next one.
        wrong += sum(_has_columns(line, dialect, columns) for line in record.split(BREAK.decode())[1:-1])
    return wrong < MAX_WRONG_SHARE * len(open_lines)


def _has_columns(line: str, dialect: Dialect, columns: int) -> bool:
    fields = split_line(line, dialect)
    return fields is not None and len(fields) == columns


def _is_aligned(lines: str) -> bool:
    """Return whether most lines have several blanks between their texts."""
    rows = [line for line in lines.split("\n")[:FIRST_LINES] if line.strip()]
    return sum("  " in row.strip() for row in rows) > len(rows) / 2


def _dialect(lines: str, known: str | None = None) -> tuple[str, str, bool, int] | None:
    """Return separator, quote, whether there is a header, and the lines before it; None if there are none.

    known: the separator, None if it is to be found.
    """
    import duckdb

    delimiter = "" if known is None else ", delim = $known"

    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as copy:
        copy.write(lines)
        copy.flush()
        try:
            with duckdb.connect() as connection:
                connection.execute("SET threads = 1")
                row = connection.execute(
                    "SELECT Delimiter, Quote, HasHeader, SkipRows "
                    f"FROM sniff_csv($file, sample_size = 20000{delimiter})",
                    {"file": copy.name, **({} if known is None else {"known": known})},
                ).fetchone()
        except duckdb.Error:
            return None
    if row is None:
        return None
    separator, quote, header, skip = row
    separator = known or ("\t" if separator == "\\t" else separator)
    return separator, quote if len(quote) == 1 else '"', header, skip


SEPARATORS = (",", ";", "\t", "|", "\x01", "^", "~", " ")
"""What may stand between fields, the byte 1 in files of Hive. A space stands in most texts, so it is last."""


LONG_SEPARATORS = ("::", "@@", "##", ";;", "~~")

MAX_WRONG_SHARE = 0.1
"""With more records that are none, for each open quote, the quotes are stray ones."""

MIN_SPACED = 10
"""A space parts fields only where more lines than this have as many: a sentence is no table."""


def _lines_alike(lines: str) -> tuple[str, str]:
    """Return the separator that gives the most lines the same number of fields, and these lines.

    Both are empty if no separator splits most lines into the same number of fields, two at least.
    """
    best: list[str] = []
    best_separator = ""
    rows = [line for line in lines.split("\n") if line.strip()]
    for separator in SEPARATORS:
        if separator == " " and best:
            break
        fields = [split_line(row, Dialect(separator, '"')) for row in rows]
        counts = [0 if parts is None else len(parts) for parts in fields]
        usual, number = Counter(counts).most_common(1)[0] if counts else (0, 0)
        if usual > 1 and number > max(len(best), len(rows) / 2, MIN_SPACED * (separator == " ")):
            best = [row for row, count in zip(rows, counts, strict=True) if count == usual]
            best_separator = separator
    return best_separator, "".join(f"{row}\n" for row in best)


def same_table(layouts: Sequence[Layout], files: Sequence[LogFile]) -> list[list[int]]:
    """Return the positions of the files of each table.

    Files with the same columns are parts of one table, unless their names say that they hold something else.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, (layout, file) in enumerate(zip(layouts, files, strict=True)):
        named = layout.columns if layout.header else len(layout.columns)
        groups.setdefault((layout.kind, named, layout.skip_lines, content_by_name(file.name)), []).append(
            position
        )
    return list(groups.values())


def content_by_name(name: str) -> Literal["view", "addtocart", "transaction"] | None:
    """Return what a file holds by its name, None if the name does not say it."""
    stem = without_accents(Path(name).name)
    for content, stems in (("view", VIEW_STEMS), ("addtocart", CART_STEMS), ("transaction", PURCHASE_STEMS)):
        if any(part in stem for part in stems):
            return content  # type: ignore[return-value]
    return None
