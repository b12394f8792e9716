"""Read a sample of a table as columns of text, with how much of the table it is."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.formats.mapping import as_text
from rabbithole.ingest.cell_lists import explode_cells
from rabbithole.ingest.csv_lines import OPEN_QUOTE, Dialect, parse_block
from rabbithole.ingest.joined_lines import BREAK, joined_text
from rabbithole.ingest.json_lines import DECODER, Json
from rabbithole.ingest.locate import partition_values
from rabbithole.ingest.streams import readable
from rabbithole.inspection.files import SAMPLE_BYTES, LogFile, NoTableError, Piece, pieces
from rabbithole.inspection.layout import Layout, decoded
from rabbithole.inspection.nested import MEASURED, arrays, flatten, flatten_cells

MAX_FILES = 3
"""Parts of a large table that are read at most: the first, the last, and others at even distances."""

MAX_MEMBERS = 60
"""Files of an archive that are read at most."""

PACKED_RATIO = 15
"""How many times larger a packed log may be when unpacked."""

JSON_SHARE = 4
"""JSON is read by Python, so less of it is read."""

MAX_ROWS = 400_000
"""Rows of Parquet files that are read."""

MAX_NESTED_ROWS = 40_000

NULL_TEXTS = pa.array(["\\N", "NULL", "null", "(null)", "<null>", "[NULL]", "NaN", "nan"])
"""What databases and pandas write where there is no value."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a table.

    columns: the text of each column (string [rows], null where empty); block: int64 [rows], the number of
    the consecutive piece of a file that a row comes from; total: rows of the whole table (an estimate unless
    `whole`); bytes, total_bytes: read, and of all files, unpacked; malformed: lines that could not be taken
    apart; advice: why most of these could not, in words; explode, list_separator: as in `TableSpec`;
    arrays: mean lengths of arrays of objects; zones: the time zones that the types of columns name;
    partitions: the last columns, which are in the names of folders; missing: the texts in it that mean that
    there is no value, which `columns` leave empty.
    """

    columns: dict[str, pa.Array]
    block: NDArray[np.int64]
    total: int
    whole: bool
    bytes: int
    total_bytes: int
    malformed: int = 0
    advice: str = ""
    explode: str | None = None
    arrays: dict[str, float] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    list_separator: str | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows that were read."""
        return len(self.block)


def read_sample(
    files: Sequence[LogFile], layout: Layout, explode: str | None = None, list_separator: str | None = None
) -> Sample:
    """Return a sample of a table. explode, list_separator: as in `TableSpec`.

    Raises `NoTableError` where no row could be read.
    """
    count = min(len(files), MAX_FILES)
    chosen = [files[round(place)] for place in np.linspace(0, len(files) - 1, count)]
    if _are_small(files):
        chosen = list(files)
    if layout.kind == "parquet":
        return _parquet(files, chosen, explode)
    budget = SAMPLE_BYTES // len(chosen) if len(chosen) <= MAX_FILES else SAMPLE_BYTES
    if layout.kind == "json":
        budget //= JSON_SHARE
    text_pieces: list[Piece] = []
    origins: list[LogFile] = []
    size = 0
    for file in chosen:
        parts, estimate = pieces(file, budget)
        text_pieces += parts
        origins += [file] * len(parts)
        size += estimate
    if len(chosen) < len(files):
        size = round(size * sum(file.size for file in files) / sum(file.size for file in chosen))
    read = sum(len(piece.data) for piece in text_pieces)
    whole = len(chosen) == len(files) and all(piece.whole for piece in text_pieces)
    if layout.kind == "json":
        columns, block, malformed, lengths = _json(text_pieces, layout, explode)
        advice = "they are no JSON." if malformed else ""
    else:
        columns, block, reasons = _csv(text_pieces, layout)
        malformed, lengths, advice = reasons.total(), {}, _advice(reasons)
        if explode is not None:
            columns, row, _ = explode_cells(columns, explode, list_separator)
            block = block[row]
        columns, lengths = flatten_cells(columns)
        if reasons and not len(block):
            raise NoTableError(files[0], f"no line of it could be read: {advice}")
    if not len(block):
        hint = "If it names the columns of another file, give them there: `header: [NAME, NAME]`."
        raise NoTableError(files[0], f"no line of it could be read. {hint if layout.header else ''}".strip())
    total = len(block) if whole else round(len(block) * size / max(read, 1))
    missing = _without_nulls(columns)
    partitions = _add_partitions(columns, block, origins)
    return Sample(
        columns,
        block,
        total,
        whole,
        read,
        size,
        malformed,
        advice,
        explode,
        lengths,
        partitions=partitions,
        missing=missing,
        list_separator=list_separator,
    )


def _without_nulls(columns: dict[str, pa.Array]) -> tuple[str, ...]:
    """Empty the cells whose text means that there is no value. Return these texts, sorted."""
    texts: set[str] = set()
    for name, values in columns.items():
        absent = pc.is_in(values, value_set=NULL_TEXTS)
        if pc.any(absent).as_py():
            texts |= {*values.filter(absent).unique().to_pylist()}
            columns[name] = pc.if_else(absent, pa.scalar(None, pa.string()), values)
    return tuple(sorted(texts))


def _are_small(files: Sequence[LogFile]) -> bool:
    """Return whether all files can be read in little time."""
    if sum(file.size * (1 if file.is_sized else PACKED_RATIO) for file in files) > SAMPLE_BYTES:
        return False
    # Each member of a .7z archive is unpacked from the archive's beginning.
    return len(files) <= MAX_MEMBERS or all(file.member is None for file in files)


def _advice(reasons: Counter[str]) -> str:
    """Return why lines could not be taken apart, most of them at least; empty where all could."""
    if not reasons:
        return ""
    reason = reasons.most_common(1)[0][0]
    if reason != OPEN_QUOTE:
        return f"of most, {reason}."
    return (
        "in most, a quote stays open. If quotes mean nothing in this file, set `quote: null`; if its fields "
        "hold line breaks, `multiline: true`."
    )


def _csv(
    text_pieces: Sequence[Piece], layout: Layout
) -> tuple[dict[str, pa.Array], NDArray[np.int64], Counter[str]]:
    dialect = Dialect(layout.separator, layout.quote, "utf-8", any_bytes=True)
    columns: dict[str, list[pa.Array]] = {name: [] for name in layout.columns}
    blocks: list[NDArray[np.int64]] = []
    reasons: Counter[str] = Counter()
    for number, piece in enumerate(text_pieces):
        text = decoded(piece.data, layout.encoding)
        before = layout.skip_lines + layout.header
        if piece.first and before:
            text = "".join(text.split("\n", before)[before:])
        if layout.multiline:
            text = joined_text(text, dialect).replace(BREAK.decode(), " ")
        if not text:
            continue
        block = parse_block(text.encode(), layout.columns, dialect, starts_file=False)
        reasons.update(block.malformed.values())
        for name, values in block.columns.items():
            columns[name].append(as_text(values))
        blocks.append(np.full(len(block.line), number))
    # A column without a name, such as the row numbers that pandas writes, says nothing.
    columns.pop("", None)
    return _joined(columns), np.concatenate([np.zeros(0, np.int64), *blocks]), reasons


def _json(
    text_pieces: Sequence[Piece], layout: Layout, explode: str | None
) -> tuple[dict[str, pa.Array], NDArray[np.int64], int, dict[str, float]]:
    rows: list[dict[str, str | None]] = []
    blocks: list[int] = []
    records: list[Json] = []
    malformed = 0
    for number, piece in enumerate(text_pieces):
        for line in decoded(piece.data, layout.encoding).split("\n"):
            if not line.strip():
                continue
            try:
                record = DECODER.decode(line.strip())
            except (ValueError, RecursionError):
                malformed += 1
                continue
            if len(records) < MEASURED:
                records.append(record)
            exploded = flatten(record, explode)
            rows += exploded
            blocks += [number] * len(exploded)
    lengths = arrays(records) if records else {}
    return _from_rows(rows), np.array(blocks, np.int64), malformed, lengths


def _parquet(files: Sequence[LogFile], chosen: Sequence[LogFile], explode: str | None) -> Sample:
    if packed := [file for file in files if not file.seekable]:
        raise UserError(f"{packed[0].label} is a packed Parquet file: unpack it first.")
    total = read = 0
    tables: list[pa.Table] = []
    origins: list[LogFile] = []
    for file in files:
        with readable(file.label):
            total += pq.read_metadata(file.path).num_rows
    nested = False
    for file in chosen:
        with readable(file.label), pq.ParquetFile(file.path) as parquet:
            nested = any(pa.types.is_nested(field.type) for field in parquet.schema_arrow)
            limit = (MAX_NESTED_ROWS if nested else MAX_ROWS) // len(chosen)
            groups = parquet.metadata.num_row_groups
            picked = sorted({0, groups // 2, groups - 1}) if parquet.metadata.num_rows > limit else None
            for group in [None] if picked is None else picked:
                numbers = list(range(groups)) if group is None else [group]
                share = limit if group is None else limit // len(picked or [0])
                batch = next(parquet.iter_batches(max(share, 1), row_groups=numbers), None)
                if batch is not None:
                    tables.append(pa.Table.from_batches([batch]))
                    origins.append(file)
    block = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    read = len(block)
    whole = read == total
    size = sum(file.size for file in files)
    lengths: dict[str, float] = {}
    zones = {
        field.name: field.type.tz
        for table in tables
        for field in table.schema
        if pa.types.is_timestamp(field.type) and field.type.tz
    }
    if nested:
        listed = [table.to_pylist() for table in tables]
        records = [json.loads(json.dumps(row, default=str)) for rows in listed for row in rows]
        exploded = [flatten(record, explode) for record in records]
        block = np.repeat(block, [len(rows) for rows in exploded])
        columns = _from_rows([row for rows in exploded for row in rows])
        lengths = arrays(records[:MEASURED])
        total = round(total * len(block) / max(read, 1))
    else:
        joined = pa.concat_tables(tables).combine_chunks()
        plain = {name: as_text(_flat(joined[name])) for name in joined.column_names}
        columns, lengths = flatten_cells(plain)
    if not len(block):
        raise NoTableError(files[0], "it has no rows.")
    missing = _without_nulls(columns)
    partitions = _add_partitions(columns, block, origins)
    used = round(size * min(1, read / max(total, 1)))
    return Sample(
        columns,
        block,
        total,
        whole,
        used,
        size,
        explode=explode,
        arrays=lengths,
        zones=zones,
        partitions=partitions,
        missing=missing,
    )


def _add_partitions(
    columns: dict[str, pa.Array], block: NDArray[np.int64], origins: Sequence[LogFile]
) -> tuple[str, ...]:
    """Add columns from folders such as `day=2025-03-01`; return their names.

    origins: the file of each block.
    """
    values = [partition_values(f"{file.path}/{file.member or ''}") for file in origins]
    names = [name for name in dict.fromkeys(name for each in values for name in each) if name not in columns]
    for name in names:
        columns[name] = pa.array([each.get(name) for each in values], pa.string()).take(pa.array(block))
    return tuple(names)


def _flat(values: pa.ChunkedArray) -> pa.Array:
    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def _from_rows(rows: Sequence[dict[str, str | None]]) -> dict[str, pa.Array]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: as_text(pa.array([_clean(row.get(name)) for row in rows], pa.string())) for name in names}


def _clean(text: str | None) -> str | None:
    """Return a text without halves of characters, which JSON can escape."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _joined(columns: dict[str, list[pa.Array]]) -> dict[str, pa.Array]:
    return {
        name: pa.concat_arrays(values) if values else pa.nulls(0, pa.string())
        for name, values in columns.items()
    }
