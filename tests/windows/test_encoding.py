"""Windows by hand: what is coded how, what train alone teaches, what may never leak."""

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.errors import UserError
from rabbithole.formats.retailrocket import ROOTS
from rabbithole.io.manifests import write_manifest
from rabbithole.sessions.session_task import SESSION_SCHEMA
from rabbithole.spark.session import SparkOptions
from rabbithole.training.data import read_encoding
from rabbithole.windows.build import build_windows
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, RARE, UNSEEN
from rabbithole.windows.steps import calendar

BEGIN = dt.datetime(2015, 6, 1, 12, tzinfo=dt.UTC)
Session = dict[str, Any]


def session(name: str, split: str, items: list[str | None], **changes: Any) -> Session:
    """Return a session of views, ten seconds apart, without cost or category."""
    count = len(items)
    row = {
        "session_id": name,
        "visitor": None,
        "split": split,
        "buyer": False,
        "open": False,
        "events": count,
        "timestamp": [BEGIN + dt.timedelta(seconds=10 * n) for n in range(count)],
        "event": ["view"] * count,
        "item": items,
        "category": [None] * count,
        "cost": [None] * count,
    } | changes
    return row | {"start": row["timestamp"][0], "end": row["timestamp"][-1]}


def build(folder: Path, rows: list[Session], spark: SparkOptions, **changes: Any) -> Path:
    """Write sessions in two parts and build their windows."""
    sessions, output = folder / "sessions", folder / "windows"
    sessions.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        pq.write_table(
            pa.Table.from_pylist(rows[number::2], SESSION_SCHEMA), sessions / f"part-{number:05}.parquet"
        )
    write_manifest(sessions, events={"kept": sum(row["events"] for row in rows)})
    settings = {"length": 4, "minimum_item_count": 2, "timezone": "UTC", "keep_open": False}
    build_windows(sessions=sessions, output=output, spark=spark, **(settings | changes))
    return output


def read(windows: Path, split: str) -> dict[str, Session]:
    """Return a split's rows by session."""
    return {row["session_id"]: row for row in pq.read_table(windows / split).to_pylist()}


LATER = [session("v1", "valid", ["a"]), session("t1", "test", ["a", "b", "new", None])]

SEEN = ("item", "hour", "dwell")


def test_codes_by_hand(tmp_path: Path, spark: SparkOptions) -> None:
    train = [session("1", "train", ["a", "b", "a"]), session("2", "train", ["a", "once"])]
    windows = build(tmp_path, [*train, *LATER], spark)
    encoder = json.loads((windows / "encoder.json").read_text())
    assert encoder["vocabularies"]["item"] == ["a"]
    assert encoder["rare"] == ["b", "once"]
    assert read(windows, "train")["2"]["item"] == [FIRST_VALUE, RARE]
    assert read(windows, "test")["t1"]["item"] == [FIRST_VALUE, RARE, UNSEEN, MISSING]
    assert read(windows, "test")["t1"]["category"] == [MISSING] * 4
    manifest = json.loads((tmp_path / "windows.json").read_text())
    assert manifest["splits"]["test"]["unseen"]["item"] == 1
    assert manifest["sizes"]["item"] == FIRST_VALUE + 1


def test_a_category_has_the_root_of_the_shop_s_tree(tmp_path: Path, spark: SparkOptions) -> None:
    """Train's categories, most frequent first, lie below the second root, none, the first, the second."""
    shown = ["boots", "boots", "boots", "odd", "odd", "hats", "hats", "shoes"]
    rows = [session("1", "train", ["a"] * 8, category=shown), *LATER]
    (tmp_path / "sessions").mkdir()
    tree = {"category": ["shoes", "boots", "hats", "gloves"], "root": ["9", "9", "10", "11"]}
    pq.write_table(pa.table(tree), tmp_path / "sessions" / ROOTS)
    windows = build(tmp_path, rows, spark, length=8)
    encoder = json.loads((windows / "encoder.json").read_text())
    assert encoder["vocabularies"]["category"] == ["boots", "hats", "odd", "shoes"]
    assert encoder["roots"] == [2, 1, 0, 2]
    assert read_encoding(windows).roots == [0] * FIRST_VALUE + [2, 1, 0, 2]


def test_a_window_is_the_last_steps_and_keeps_the_time_before_them(
    tmp_path: Path, spark: SparkOptions
) -> None:
    gaps = [0, 1, 3, 10, 60, 200]
    times = [BEGIN + dt.timedelta(seconds=sum(gaps[: n + 1])) for n in range(6)]
    long = session("9", "test", list("abcdef"), timestamp=times, cost=[None, 2.0, None, None, 5.0, None])
    train = [session("1", "train", list("abcdef"), cost=[1.0, 2.0, 3.0, 4.0, None, None])]
    windows = build(tmp_path, [*train, *LATER, long], spark, minimum_item_count=1)
    encoder = json.loads((windows / "encoder.json").read_text())
    names = encoder["vocabularies"]["item"]
    # Of train's only session the last four steps, c to f, are all that is ever seen.
    assert sorted(names) == ["c", "d", "e", "f"]
    row = read(windows, "test")["9"]
    assert (row["events"], [names[code - FIRST_VALUE] for code in row["item"]]) == (6, ["c", "d", "e", "f"])
    dwell = encoder["numeric"]["dwell"]
    assert (dwell["mean"], dwell["deviation"]) == (pytest.approx(math.log1p(10), abs=1e-6), 1.0)
    expected = [(math.log1p(gap) - dwell["mean"]) for gap in gaps[2:]]
    assert row["dwell"] == pytest.approx(expected, abs=1e-6)
    cost = encoder["numeric"]["cost"]
    known = np.log1p([3.0, 4.0])
    assert (cost["mean"], cost["deviation"]) == pytest.approx((known.mean(), known.std()), abs=1e-5)
    assert row["cost"][2] == pytest.approx((math.log1p(5) - cost["mean"]) / cost["deviation"], rel=1e-5)
    assert row["cost"][:2] == [None, None]
    begun = read(windows, "test_beginnings")
    assert list(begun) == ["9"]
    assert begun["9"]["item"][:2] == [UNSEEN, UNSEEN]
    assert begun["9"]["dwell"][0] is None


def test_hours_and_days_are_the_shop_s_own() -> None:
    """Chicago is five hours behind UTC in summer and six in winter; ISO weeks cross the year."""
    moments = ["2015-07-01T04:59:59", "2015-11-01T06:59:59", "2015-11-01T07:00:00", "2016-01-03T12:00:00"]
    times = np.array(moments, "datetime64[us]").astype(np.int64)
    found = {name: values.to_pylist() for name, values in calendar(times, "America/Chicago").items()}
    assert found == {
        "hour": [23, 1, 1, 6],
        "weekday": [2, 7, 7, 7],
        "month": [6, 11, 11, 1],
        "week": [27, 44, 44, 53],
    }


def test_train_alone_fits_the_encoder(tmp_path: Path, spark: SparkOptions) -> None:
    train = [session("1", "train", ["a", "b", "a"]), session("2", "train", ["b", "b"], buyer=True)]
    other = [session(f"t{n}", "test", ["x", "y"], category=["z", "z"], cost=[1e6, 9.0]) for n in range(9)]
    first = build(tmp_path / "1", [*train, *LATER], spark)
    second = build(tmp_path / "2", [*train, *LATER, *other], spark)
    assert (first / "encoder.json").read_bytes() == (second / "encoder.json").read_bytes()
    assert read(first, "train") == read(second, "train")
    assert read(second, "test").keys() == read(first, "test").keys() | {row["session_id"] for row in other}


def test_sessions_open_at_the_end_are_left_out_or_kept(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [
        session("1", "train", ["a"]),
        *LATER,
        session("8", "test", ["a", "b"], open=True),
        session("9", "test", ["a"], open=True, buyer=True),
    ]
    out = build(tmp_path / "out", rows, spark)
    assert read(out, "test").keys() == {"t1"}
    manifest = json.loads((tmp_path / "out/windows.json").read_text())
    assert (manifest["open"], manifest["events"]["open"]) == (2, 3)
    assert read(build(tmp_path / "in", rows, spark, keep_open=True), "test").keys() == {"t1", "8", "9"}
    manifest = json.loads((tmp_path / "in/windows.json").read_text())
    assert (manifest["open"], manifest["events"]["open"]) == (0, 0)


def test_a_split_with_nothing_but_open_sessions_is_refused(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [session("1", "train", ["a"]), LATER[0], session("3", "test", ["a"], open=True)]
    with pytest.raises(UserError, match="test split holds no session"):
        build(tmp_path, rows, spark)
    assert not (tmp_path / "windows").exists()


def test_a_field_left_out_is_missing_everywhere_also_for_who_loads_the_encoder(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """The other fields are as if it were there."""
    told = {"category": list("xyz"), "cost": [1.0, 2.0, 3.0]}
    rows = [session("1", "train", ["a", "b", "a"], **told), *LATER]
    rows += [session("9", "test", list("abcdef"), category=list("xyzxyz"), cost=[5.0] * 6)]
    whole, part = build(tmp_path / "whole", rows, spark), build(tmp_path / "part", rows, spark, fields=SEEN)
    for split in ("train", "valid", "test", "test_beginnings"):
        for name, row in read(part, split).items():
            expected = read(whole, split)[name]
            for field in set(CATEGORICAL) - set(SEEN):
                expected[field] = [MISSING] * len(row["item"])
            expected["cost"] = [None] * len(row["item"])
            assert row == expected
    again = Encoder.load(part)
    found = again.last(pa.Table.from_pylist(rows[-1:], SESSION_SCHEMA)).to_pylist()[0]
    assert found == {field: read(part, "test")["9"][field] for field in found}
    assert again.sizes == Encoder.load(whole).sizes | dict.fromkeys(set(CATEGORICAL) - set(SEEN), FIRST_VALUE)


def test_a_loaded_encoder_codes_as_the_windows_were(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [session("1", "train", ["a", "b", "a"]), *LATER]
    windows = build(tmp_path, rows, spark)
    again = Encoder.load(windows).last(pa.Table.from_pylist(rows[-1:], SESSION_SCHEMA)).to_pylist()[0]
    written = read(windows, "test")["t1"]
    assert all(again[field] == written[field] for field in (*CATEGORICAL, "dwell", "cost"))
