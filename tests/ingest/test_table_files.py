"""A table of events is read whatever way its files are written, packed and spread."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from factories.tables import EVENTS, HEADER, LOG, ROWS, TABLE, seven_zipped, text, values, zipped, zstandard
from raw_logs import read_tables, rejected_lines

from rabbithole.errors import UserError
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

WRITTEN: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "plain": (LOG, {}),
    "CRLF": (LOG.replace("\n", "\r\n"), {}),
    "CR": (LOG.replace("\n", "\r"), {}),
    "byte order mark": ("\ufeff" + LOG, {}),
    "UTF-16": (LOG.encode("utf-16"), {}),
    "UTF-16 big-endian, declared": (LOG.encode("utf-16-be"), {"encoding": "utf-16"}),
    "windows-1252": (LOG.encode("windows-1252"), {"encoding": "windows-1252"}),
    "gb18030": (LOG.encode("gb18030"), {"encoding": "gb18030"}),
    "latin-1": (LOG.encode("latin-1"), {"encoding": "latin-1"}),
    "lines before the header": ("sep=,\n\n# remark\n" + LOG, {"skip_lines": 3}),
    "texts for no value": (LOG.replace(",,", ",\\N,").replace(",,", ",NULL,"), {"missing": ["\\N", "NULL"]}),
    "tabs": (LOG.replace(",", "\t"), {"separator": "\t"}),
    "decimal comma": (LOG.replace(",", ";").replace(".", ","), {"separator": ";", "decimal": ","}),
    "quotes": (text([[f'"{field}"' for field in row] for row in [HEADER, *ROWS]]), {}),
    "names in the settings": (text(), {"header": HEADER}),
    "gz": (gzip.compress(LOG.encode()), {}),
    "bz2": (bz2.compress(LOG.encode()), {}),
    "xz": (lzma.compress(LOG.encode()), {}),
    "zst": (zstandard(LOG.encode()), {}),
    "zip": (zipped({"folder/any.txt": LOG}), {}),
    "7z": (seven_zipped({"any.txt": LOG}), {}),
    "gz of UTF-16": (gzip.compress(LOG.encode("utf-16")), {}),
    "JSON": (
        "\n".join(json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in ROWS),
        {},
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_way_a_file_is_written_changes_no_event(tmp_path: Path, spark: SparkOptions, name: str) -> None:
    """The content decides how a file is read. Its name does not."""
    content, changes = WRITTEN[name]
    rows, manifest = read_tables(tmp_path, {"log": content}, spark, table={"events": TABLE | changes})
    assert values(rows) == EVENTS
    assert [row["timestamp"].isoformat() for row in rows[1:]] == [
        "2019-10-01T12:01:00+00:00",
        "2019-10-01T12:02:00+00:00",
    ]
    assert manifest.fields == {
        "brand": "category",
        "category_1": "category",
        "category_2": "category",
        "quantity": "number",
    }
    assert manifest.holds == ["session", "visitor", "item", "category", "cost"]
    assert (manifest.sessions, manifest.visitors, manifest.items, manifest.lines.rejected) == (2, 2, 1, 0)
    assert list(rows[0])[-4:] == list(manifest.fields)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_record_of_several_lines_is_one_line_and_errors_name_the_line_of_the_file(
    tmp_path: Path, spark: SparkOptions, end: str, packed: bool
) -> None:
    header, *rows = [[*HEADER[:-1], "note"], *([*row[:-1], f'"one{end}""two"",{end}{end}x"'] for row in ROWS)]
    bad = [*rows[0][:2], "never", *rows[0][3:]]
    stray = [*ROWS[0][:-1], '"open']
    lines = [header, rows[0], bad, rows[0], rows[1], rows[2], ROWS[2], bad, stray]
    content = "".join(",".join(line) + end for line in lines).encode()
    rows_read, manifest = read_tables(
        tmp_path,
        {"log": gzip.compress(content) if packed else content},
        spark,
        table={"events": TABLE | {"multiline": True}},
        max_rejected=0.9,
    )
    assert values(rows_read) == [*EVENTS[:2], EVENTS[2], EVENTS[2]]
    # Records before it have four lines each.
    assert [line for line, _ in rejected_lines(tmp_path)] == [6, 23, 27]
    assert manifest.lines.model_dump() == {
        "lines": 9, "header": 1, "blank": 0, "rejected": 3, "duplicates": 1, "kept": 4
    }  # fmt: skip


PARTS = {
    "day=2019-10-01/part-0.csv": text([HEADER, ROWS[0]]),
    "day=2019-10-01/.part-0.csv.crc": "no",
    "day=2019-10-02/part-1.csv": text([HEADER, ROWS[1]]),
    "day=__HIVE_DEFAULT_PARTITION__/part-2.csv": text([HEADER, ROWS[2]]),
    "_SUCCESS": "",
    "readme.txt": "no table",
}


@pytest.mark.parametrize(
    ("files", "source"),
    [
        (PARTS, lambda raw: str(raw)),
        (PARTS, lambda raw: f"{raw}/*/part-*"),
        (PARTS, lambda raw: [f"{raw}/{name}" for name in PARTS if name.endswith(".csv")]),
        ({"all.zip": zipped(PARTS)}, lambda raw: str(raw)),
        (
            {"all.7z": seven_zipped({name: text or " " for name, text in PARTS.items()})},
            lambda raw: f"{raw}/all.7z",
        ),
    ],
    ids=["folder", "glob", "list", "zip", "7z"],
)
def test_many_files_and_their_partitions_are_one_table(
    tmp_path: Path, spark: SparkOptions, files: dict[str, str | bytes], source: Callable[[Path], Any]
) -> None:
    table = TABLE | {"files": "*.csv", "fields": {"day": {"column": "day"}}}
    rows, manifest = read_tables(
        tmp_path, files, spark, table={"events": table}, source=source(tmp_path / "raw")
    )
    assert [row["day"] for row in rows] == ["2019-10-01", "2019-10-02", None]
    assert [Path(file.file).name for file in manifest.files_read] == [
        "part-0.csv",
        "part-1.csv",
        "part-2.csv",
    ]


def test_parts_may_be_empty_but_not_all(tmp_path: Path, spark: SparkOptions) -> None:
    table = TABLE | {"files": "*.csv"}
    files: dict[str, str | bytes] = {"0.csv": "", "1.csv": text([HEADER]), "2.csv": LOG}
    rows, manifest = read_tables(tmp_path, files, spark, table={"events": table})
    assert values(rows) == EVENTS
    assert [(Path(file.file).name, file.rows) for file in manifest.files_read] == [("1.csv", 0), ("2.csv", 3)]
    with pytest.raises(UserError, match=r"1\.csv has no row: of 1 lines 1 is a header"):
        read_tables(tmp_path / "none", {"1.csv": text([HEADER])}, spark, table={"events": table})


def test_a_remote_folder_of_parts_is_one_table(tmp_path: Path, spark: SparkOptions) -> None:
    table = TABLE | {"files": "*.csv", "fields": {"day": {"column": "day"}}}
    source = f"file://{tmp_path / 'raw'}"
    rows, _ = read_tables(tmp_path, PARTS, spark, table={"events": table}, source=source)
    assert [row["day"] for row in rows] == ["2019-10-01", "2019-10-02", None]
    assert not (tmp_path / "fetched").exists()
