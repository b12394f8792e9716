"""A log that a model scores may lack columns: their values are missing. A log to learn from may not."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_logs import EVENTS, read, read_tables

from rabbithole.errors import UserError
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

DAY = "2014-04-07T10:5"
CLICKS = "".join(f"{n},{DAY}{n}:09.277Z,{100 + n}\n" for n in range(8))
NAMED = "Item,Extra,SESSION,timestamp\n" + "".join(f"{100 + n},x,{n},{DAY}{n}:09.277Z\n" for n in range(8))


@pytest.mark.parametrize(
    ("clicks", "bad"),
    [(CLICKS, 0), (f"cut,{DAY}\n{CLICKS}", 1), (NAMED, 0)],
    ids=["cut", "bad line", "named"],
)
def test_a_log_of_fixed_columns_may_lack_some(
    clicks: str, bad: int, tmp_path: Path, spark: SparkOptions
) -> None:
    rows, manifest = read(tmp_path, "yoochoose", {"yoochoose-clicks.dat": clicks}, spark, lenient=True)
    assert [(row["session_id"], row["item"], row["category"]) for row in rows] == [
        (str(n), str(100 + n), None) for n in range(8)
    ]
    assert manifest.files_read[0].missing_columns == {"category": ""} and manifest.rejected == bad
    with pytest.raises(UserError):
        read(tmp_path / "strict", "yoochoose", {"yoochoose-clicks.dat": clicks}, spark)


def test_a_whole_log_is_read_the_same_way(tmp_path: Path, spark: SparkOptions) -> None:
    line = "1433221332117,257597,view,355908,\n"
    for name, text in (("header", EVENTS + line), ("none", line)):
        rows, manifest = read(tmp_path / name, "retailrocket", {"events.csv": text}, spark, lenient=True)
        assert rows[0]["item"] == "355908" and not manifest.files_read[0].missing_columns


def test_a_file_without_session_or_time_is_no_log(tmp_path: Path, spark: SparkOptions) -> None:
    for text in ("1\n2\n", "session,item\n1,2\n"):
        with pytest.raises(UserError, match="no column 'timestamp'"):
            read(tmp_path, "yoochoose", {"yoochoose-clicks.dat": text}, spark, lenient=True)
    with pytest.raises(UserError, match="no column 'event'"):
        text = "timestamp,visitorid,itemid\n1433221332117,257597,355908\n"
        read(tmp_path / "visitors", "retailrocket", {"events.csv": text}, spark, lenient=True)


TABLE: dict[str, Any] = {
    "session": "sid",
    "visitor": "who",
    "time": "at",
    "event": {"column": "what"},
    "item": "item",
    "category": {"column": "path", "separator": "/", "levels": 2},
    "cost": "price",
    "fields": {"brand": {"column": "brand"}, "quantity": {"column": "n", "kind": "number"}},
}
ROW = {"sid": "1", "who": "ann", "at": "2019-10-01 12:00:00", "what": "view", "Item": "7", "other": "x"}


def written(kind: str) -> bytes:
    """Return a table of one row as a file."""
    if kind == "csv":
        return f"{','.join(ROW)}\n{','.join(ROW.values())}\n".encode()
    if kind == "json":
        return json.dumps(ROW).encode() + b"\n"
    file = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in ROW.items()}), file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_table_may_lack_columns(kind: str, tmp_path: Path, spark: SparkOptions) -> None:
    settings: dict[str, Any] = {"table": {"events": TABLE}, "sessions": {"by": "session"}}
    files = {f"log.{kind}": written(kind)}
    (row,), manifest = read_tables(tmp_path, files, spark, lenient=True, **settings)
    assert (row["session_id"], row["visitor"], row["event"]) == ("1", "ann", "view")
    names = ("item", "category", "category_1", "cost", "brand", "quantity")
    assert all(row[name] is None for name in names)
    # JSON lines leave out what is empty.
    missing = {"item": "Item", "path": "", "price": "", "brand": "", "n": ""} if kind != "json" else {}
    assert manifest.files_read[0].missing_columns == missing
    if kind != "json":
        with pytest.raises(UserError, match="no column"):
            read_tables(tmp_path / "strict", files, spark, **settings)
    for column in ("sid", "who", "at", "what"):
        text = written(kind).replace(f"{column}".encode(), b"zz") if kind == "csv" else b""
        if text:
            with pytest.raises(UserError, match=f"no column '{column}'"):
                read_tables(tmp_path / column, {"log.csv": text}, spark, lenient=True, **settings)


def test_rows_without_the_array_of_items_are_events(tmp_path: Path, spark: SparkOptions) -> None:
    file = io.BytesIO()
    row = {
        "user_pseudo_id": "ann",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": 5}}],
        "event_timestamp": 1612069510766593,
        "event_name": "page_view",
    }
    pq.write_table(pa.Table.from_pylist([row]), file)
    (event,), _ = read_tables(
        tmp_path,
        {"log.parquet": file.getvalue()},
        spark,
        lenient=True,
        format="ga4",
        sessions={"by": "session"},
    )
    assert (event["session_id"], event["event"], event["item"]) == ("ann:5", "page_view", None)
