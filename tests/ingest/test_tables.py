"""Any table of events: what its columns become, and which lines and settings are refused."""

import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories.tables import EVENTS, HEADER, LOG, ROWS, TABLE, text, values
from raw_logs import read_tables, rejected_lines

from rabbithole.errors import UserError
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark


def test_sessions_by_visitor_group_the_events_by_visitor(tmp_path: Path, spark: SparkOptions) -> None:
    log = text([HEADER, ROWS[0], ["008", *ROWS[1][1:]], ROWS[2]])
    rows, manifest = read_tables(
        tmp_path, {"log": log}, spark, table={"events": TABLE}, sessions={"by": "visitor"}
    )
    assert [(row["session_id"], row["visitor"]) for row in rows] == [("ann", "ann")] * 2 + [("bob", "bob")]
    assert (manifest.sessions, manifest.visitors) == (2, 2)


def test_columns_without_header_are_numbers_and_several_name_a_session(
    tmp_path: Path, spark: SparkOptions
) -> None:
    table = {"header": False, "session": [1, 2], "time": 3, "event": {"column": 4}, "item": [5, 10]}
    rows, manifest = read_tables(tmp_path, {"log": text()}, spark, table={"events": table})
    assert [(row["session_id"], row["item"], row["event"]) for row in rows] == [
        ("007:ann", "0012", "look"),
        ("007:ann", "0012", "buy"),
        ("4a6f-é:bob", "x", "wish"),
    ]
    assert manifest.lines.header == 0


def test_events_that_the_settings_leave_out_are_counted_whatever_they_hold(
    tmp_path: Path, spark: SparkOptions
) -> None:
    beat = ["", "", "never", "heartbeat", "", "", "", "", "", ""]
    event = {**TABLE["event"], "leave_out": ["heartbeat", "wish"]}
    rows, manifest = read_tables(
        tmp_path,
        {"log": text([HEADER, beat, *ROWS, beat])},
        spark,
        table={"events": TABLE | {"event": event}},
    )
    assert values(rows) == EVENTS[:2]
    assert manifest.lines.model_dump() == {
        "lines": 6, "header": 1, "blank": 0, "rejected": 0, "left_out": 3, "duplicates": 0, "kept": 2
    }  # fmt: skip


DIRT = [
    ("a quote is not closed on its line", '9,ann,2019-10-01 12:00:00,look,1,a,"1,b,1,x'),
    ("9 fields instead of 10", "9,ann,2019-10-01 12:00:00,look,1,a,1,b,1"),
    ("sid is empty", ",ann,2019-10-01 12:00:00,look,1,a,1,b,1,x"),
    ("at is empty", "9,ann,,look,1,a,1,b,1,x"),
    ("at is not a time", "9,ann,2019-02-30 12:00:00,look,1,a,1,b,1,x"),
    ("at is in the year 1970, not 1990 to 2099", "9,ann,1970-01-01 12:00:00,look,1,a,1,b,1,x"),
    ("what is empty", "9,ann,2019-10-01 12:00:00,,1,a,1,b,1,x"),
    ("what holds a control character", "9,ann,2019-10-01 12:00:00,\x1b[2Jlook,1,a,1,b,1,x"),
    ("price is not a number", "9,ann,2019-10-01 12:00:00,look,1,a,cheap,b,1,x"),
    ("price is over 1,000,000,000", "9,ann,2019-10-01 12:00:00,look,1,a,1e10,b,1,x"),
    ("n is not a number", "9,ann,2019-10-01 12:00:00,look,1,a,1,b,inf,x"),
    (
        "it is not UTF-8 (set `encoding`, such as windows-1252)",
        "9,ann,2019-10-01 12:00:00,look,1,\udce9,1,b,1,x",
    ),
]


def test_bad_lines_are_set_aside_one_by_one_and_repeats_are_counted(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """An open quote takes no other line with it. Lines that differ in an unmapped column are no repeats."""
    quoted = '9,"a ""b"", c",2019-10-01 12:00:00,look,5,"x,y",1,"b,c",N/A,"1"'
    repeat, other = text([ROWS[0]]), text([[*ROWS[0][:-1], "y"]])
    log = LOG + "\n".join(line for _, line in DIRT) + "\n\n" + quoted + "\n" + repeat + other
    rows, manifest = read_tables(
        tmp_path,
        {"log": log.encode("utf-8", "surrogateescape")},
        spark,
        table={"events": TABLE},
        max_rejected=0.9,
    )
    assert rejected_lines(tmp_path) == [(5 + number, reason) for number, (reason, _) in enumerate(DIRT)]
    assert manifest.lines.model_dump() == {
        "lines": 20, "header": 1, "blank": 1, "rejected": 12, "duplicates": 1, "kept": 5
    }  # fmt: skip
    assert len(rows) == 5
    odd = next(row for row in rows if row["session_id"] == "9")
    assert (odd["visitor"], odd["category"], odd["brand"], odd["quantity"]) == (
        'a "b", c',
        "x,y",
        "b,c",
        None,
    )
    shown = pq.read_table(tmp_path / "rejected")["text"].to_pylist()
    assert all(line.isprintable() for line in shown)
    assert r"\x1b[2Jlook" in shown[7]


def test_a_refund_is_an_event_without_a_price(tmp_path: Path, spark: SparkOptions) -> None:
    thousand = ["007", "ann", "2019-10-01 12:02:30", "look", "0012", "a/b/c", "$1 234.50", "", "", "x"]
    refund = ["007", "ann", "2019-10-01 12:03:00", "refund", "0012", "a/b/c", "-12.50", "", "-1", "x"]
    rows, manifest = read_tables(
        tmp_path, {"log": text([HEADER, *ROWS, thousand, refund])}, spark, table={"events": TABLE}
    )
    assert manifest.lines.rejected == 0
    (returned,) = [row for row in rows if row["event"] == "refund"]
    assert (returned["cost"], returned["quantity"]) == (None, -1.0)
    assert max(row["cost"] or 0 for row in rows) == 1234.5


def test_json_paths_reach_into_objects_and_arrays(tmp_path: Path, spark: SparkOptions) -> None:
    """Numbers keep their digits, and each item of an exploded array is an event of its line."""
    lines = [
        {
            "user": {"id": 12345678901234567890},
            "ts": 1569931200000,
            "params": [{"key": "page", "value": {"string": None, "int": 7}}],
            "items": [{"id": 1.50, "tags": ["a", "b"]}, {"id": "two"}, {"id": "two"}],
        },
        {"user": {"id": "\ud800"}, "ts": 1569931200000, "items": []},
    ]
    log = "\n".join(map(json.dumps, lines)) + '\n[1]\n{"user": \n\n'
    table = {
        "visitor": "user.id",
        "time": "ts",
        "event": "view",
        "explode": "items",
        "item": "items.id",
        "fields": {"tag": {"column": "items.tags.1"}, "page": {"column": "params.page"}},
    }
    rows, manifest = read_tables(tmp_path, {"log": log}, spark, table={"events": table}, max_rejected=0.5)
    assert [(row["visitor"], row["item"], row["tag"], row["page"]) for row in rows] == [
        ("12345678901234567890", "1.5", "b", "7"),
        ("12345678901234567890", "two", None, "7"),
        ("?", None, None, None),
    ]
    assert rejected_lines(tmp_path) == [(3, "it is no JSON object"), (4, "it is not JSON")]
    lines = manifest.lines
    assert (lines.lines, lines.exploded, lines.blank, lines.rejected) == (5, 2, 1, 2)
    assert (lines.duplicates, lines.kept) == (1, 3)


@pytest.mark.parametrize(
    ("separator", "cells"),
    [("|", ["A|B", "B|C|", "A", ""]), (None, ['["A","B"]', "['B' 'C']", "A", "[]"])],
)
def test_lists_in_cells_are_events_of_their_line(
    tmp_path: Path, spark: SparkOptions, separator: str | None, cells: list[str]
) -> None:
    """An item that stands in two lines is two events; a line that stands there twice is none more."""
    rows = [["1", "2019-10-01 12:00:00", cell] for cell in (*cells, cells[0])]
    table = {
        "session": "s",
        "time": "t",
        "event": "view",
        "item": "items",
        "explode": "items",
        "list_separator": separator,
        "separator": ";",
    }
    read, manifest = read_tables(
        tmp_path, {"log": text([["s", "t", "items"], *rows], ";")}, spark, table={"events": table}
    )
    assert [row["item"] for row in read] == ["A", "B", "B", "C", "A", None]
    lines = manifest.lines
    assert (lines.lines, lines.exploded, lines.duplicates, lines.kept) == (6, 3, 2, 6)


def test_lists_of_objects_in_cells(tmp_path: Path, spark: SparkOptions) -> None:
    cell = '"[{""sku"": ""007"", ""price"": 1.50}, {""sku"": ""8""}]"'
    table = {"session": "s", "time": "t", "event": "view", "item": "items.sku", "cost": "items.price"}
    read, _ = read_tables(
        tmp_path,
        {"log": text([["s", "t", "items"], ["1", "2019-10-01 12:00:00", cell]])},
        spark,
        table={"events": table | {"explode": "items"}},
    )
    assert [(row["item"], row["cost"]) for row in read] == [("007", 1.5), ("8", None)]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_paths_reach_into_texts_that_hold_json(tmp_path: Path, spark: SparkOptions, kind: str) -> None:
    values = ['{"sku": {"id": 1.50}}', "no JSON", '{"sku"', None]
    rows = [{"s": "1", "t": f"2019-10-01 12:00:0{number}", "v": value} for number, value in enumerate(values)]
    buffer = io.BytesIO()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), buffer)
    else:
        buffer.write("\n".join(map(json.dumps, rows)).encode())
    table = {"session": "s", "time": "t", "event": "view", "item": "v.sku.id"}
    read, _ = read_tables(tmp_path, {"log": buffer.getvalue()}, spark, table={"events": table})
    assert [row["item"] for row in read] == ["1.50", None, None, None]


def test_parquet_columns_of_any_type_are_read(tmp_path: Path, spark: SparkOptions) -> None:
    noon, day = 1569931200, pa.scalar("2019-10-01").cast(pa.date32())
    items = [[{"id": "a", "price": 2.0}, {"id": "b", "price": None}], [], None]
    table = pa.table(
        {
            "session": pa.array([9007199254740993, 7, 7], pa.int64()),
            "visitor": pa.array(["x", "y", None]).dictionary_encode(),
            "zoned": pa.array([noon] * 3, pa.timestamp("s", "Europe/Berlin")),
            "naive": pa.array([noon * 10**9] * 3, pa.timestamp("ns")),
            "day": pa.array([day.as_py()] * 3),
            "number": pa.array([float(noon), noon + 0.5, None]),
            "kind": pa.array(["look"] * 3, pa.large_string()),
            "count": pa.array(["1.50", "2.00", None]).cast(pa.decimal128(5, 2)),
            "float_id": pa.array([1.0, 2.5, None]),
            "items": pa.array(items, pa.list_(pa.struct({"id": pa.string(), "price": pa.float64()}))),
            "params": pa.array(
                [[("page", {"s": "home", "i": None})], [("page", {"s": None, "i": 3})], []],
                pa.map_(pa.string(), pa.struct({"s": pa.string(), "i": pa.int64()})),
            ),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=1)
    for column, zone, hours in (("zoned", "UTC", 12), ("naive", "Europe/Berlin", 10), ("day", "UTC", 0)):
        mapped = {
            "session": "session",
            "visitor": "visitor",
            "time": {"column": column, "zone": zone},
            "event": {"column": "kind"},
            "item": "items.id",
            "cost": "items.price",
            "explode": "items",
            "fields": {
                "count": {"column": "count", "kind": "number"},
                "id": {"column": "float_id"},
                "page": {"column": "params.page"},
            },
        }
        rows, manifest = read_tables(
            tmp_path / column, {"log": buffer.getvalue()}, spark, table={"events": mapped}
        )
        assert {row["timestamp"].hour for row in rows} == {hours}
    assert [(row["session_id"], row["visitor"], row["item"], row["cost"]) for row in rows] == [
        ("7", "y", None, None),
        ("7", None, None, None),
        ("9007199254740993", "x", "a", 2.0),
        ("9007199254740993", "x", "b", None),
    ]
    assert [(row["count"], row["id"], row["page"]) for row in rows[:3]] == [
        (2.0, "2.5", "3"), (None, None, None), (1.5, "1", "home")
    ]  # fmt: skip
    assert (manifest.lines.lines, manifest.lines.exploded, manifest.lines.kept) == (3, 1, 4)
    mapped["time"] = "number"
    rows, manifest = read_tables(
        tmp_path / "bad", {"log": buffer.getvalue()}, spark, table={"events": mapped}, max_rejected=0.5
    )
    assert rows[0]["timestamp"].isoformat() == "2019-10-01T12:00:00.500000+00:00"
    assert rejected_lines(tmp_path / "bad") == [(3, "number is empty")]


def test_views_and_purchases_may_be_two_tables(tmp_path: Path, spark: SparkOptions) -> None:
    """At equal times a view comes before the purchase."""
    files = {
        "b.csv": "s;t;i\n1;2019-10-01;5\n2;2019-10-01;6\n",
        "a.csv": "time,basket,product,price\n2019-10-01,1,5,3.5\n",
    }
    tables = {
        "views": {
            "files": "b.csv",
            "separator": ";",
            "session": "s",
            "time": "t",
            "event": "view",
            "item": "i",
        },
        "buys": {
            "files": "a.csv",
            "session": "basket",
            "time": "time",
            "event": "transaction",
            "item": "product",
            "cost": "price",
            "fields": {"paid": {"column": "price", "kind": "number"}},
        },
    }
    rows, manifest = read_tables(tmp_path, files, spark, table=tables)
    assert [(row["session_id"], row["event"], row["cost"], row["paid"]) for row in rows] == [
        ("1", "view", None, None),
        ("1", "transaction", 3.5, 3.5),
        ("2", "view", None, None),
    ]
    assert manifest.visitors is None
    assert [file.role for file in manifest.files_read] == ["views", "buys"]


REFUSED = {
    "a missing key in JSON": (
        '{"user": {"name": 5}, "at": "2019-10-01", "what": "x"}\n',
        {"session": "user.nme", "visitor": None},
        r"log has no column 'user.nme' .*did you mean 'user.name'\? Its columns: at, what, user.name",
    ),
    "a missing column": (LOG, {"item": "itme"}, r"log has no column 'itme' .*did you mean 'item'\?"),
    "another separator": (LOG.replace(",", ";"), {}, r"no column 'who'.*separator to ';'"),
    "a control character in a header": ("\x1b[2Ja,b\n", {}, r"Its columns: \\x1b\[2Ja, b\."),
    "another number of columns": (LOG, {"header": ["a", "b"]}, "has 10 columns in its first line"),
    "an empty file": ("", {}, "is empty"),
    "a damaged packed file": (gzip.compress(LOG.encode() * 50)[:-20], {}, "can't be unpacked"),
    "a damaged Parquet file": ("PAR1 this is not", {}, "damaged Parquet file"),
    "a wrong unit": (
        text([HEADER, [*ROWS[0][:2], "1569931200", *ROWS[0][3:]]]),
        {"time": {"column": "at", "unit": "ms"}},
        "year 1970.* is its unit s, not ms",
    ),
    "no file of a name": (LOG, {"files": "*.csv"}, r"table events: .*\(log\), none is called \*\.csv"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_what_to_write(
    tmp_path: Path, spark: SparkOptions, name: str
) -> None:
    content, changes, words = REFUSED[name]
    with pytest.raises(UserError, match=words) as error:
        read_tables(tmp_path, {"log": content}, spark, table={"events": TABLE | changes})
    assert all(line.isprintable() for line in str(error.value).splitlines())
    assert not (tmp_path / "events").exists()
