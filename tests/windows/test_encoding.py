"""Windows computed by hand: codes, fitting on train alone, and leaks."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import BEGIN, Row, session, windows_spec, write_sessions

from rabbithole.artifacts.data import EncoderFile, Fields, WindowsManifest
from rabbithole.errors import UserError
from rabbithole.sessions.session_task import session_schema
from rabbithole.specs.data import SparkOptions
from rabbithole.windows.arrays import read_encoding
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import FIRST_VALUE, MISSING, RARE, UNSEEN
from rabbithole.windows.steps import calendar

pytestmark = pytest.mark.spark


def build(folder: Path, rows: list[Row], spark: SparkOptions, **changes: Any) -> Path:
    """Write sessions and build their windows, of four steps unless changed; return the windows' folder."""
    if not (folder / "sessions.json").exists():
        write_sessions(folder, rows)
    spec = windows_spec(**{"length": 4, "minimum_item_count": 2} | changes)
    return factories.build(folder, spark, windows=spec) / "windows"


def read(windows: Path, split: str) -> dict[str, Row]:
    """Return a split's rows by session."""
    return {row["session_id"]: row for row in pq.read_table(windows / split).to_pylist()}


def table_of(rows: list[Row]) -> pa.Table:
    """Return sessions as a table."""
    return pa.Table.from_pylist(rows, session_schema(factories.NO_FIELDS))


LATER = [session("v1", "valid", ["a"]), session("t1", "test", ["a", "b", "new", None])]

SEEN = ("item", "hour", "dwell")


def test_rare_unseen_and_missing_values_have_their_codes(tmp_path: Path, spark: SparkOptions) -> None:
    train = [session("1", "train", ["a", "b", "a"]), session("2", "train", ["a", "once"])]
    windows = build(tmp_path, [*train, *LATER], spark)
    encoder = EncoderFile.read(windows / "encoder.json")
    assert encoder.vocabularies["item"] == ["a"]
    assert encoder.rare == {"item": ["b", "once"]}
    assert read(windows, "train")["2"]["item"] == [FIRST_VALUE, RARE]
    assert read(windows, "test")["t1"]["item"] == [FIRST_VALUE, RARE, UNSEEN, MISSING]
    manifest = WindowsManifest.of(windows)
    assert manifest.splits["test"].unseen["item"] == 1
    assert manifest.sizes["item"] == FIRST_VALUE + 1


def test_a_category_has_its_root_in_the_shop_s_tree(tmp_path: Path, spark: SparkOptions) -> None:
    """The categories of train, most frequent first, have roots 9, 10, none, 9. Sorted, 10 is first."""
    shown = ["boots", "boots", "boots", "odd", "odd", "hats", "hats", "shoes"]
    rows = [session("1", "train", ["a"] * 8, category=shown), *LATER]
    sessions = write_sessions(tmp_path, rows, category_roots="_tree.parquet")
    tree = {"category": ["shoes", "boots", "hats", "gloves"], "root": ["9", "9", "10", "11"]}
    pq.write_table(pa.table(tree), sessions / "_tree.parquet")
    windows = build(tmp_path, rows, spark, length=8)
    encoder = EncoderFile.read(windows / "encoder.json")
    assert encoder.vocabularies["category"] == ["boots", "hats", "odd", "shoes"]
    assert encoder.roots == [2, 1, 0, 2]
    assert read_encoding(windows).roots == [0] * FIRST_VALUE + [2, 1, 0, 2]


def test_a_window_holds_the_last_steps_and_the_dwell_time_before_them(
    tmp_path: Path, spark: SparkOptions
) -> None:
    gaps = [0, 1, 3, 10, 60, 200]
    times = [BEGIN + dt.timedelta(seconds=sum(gaps[: n + 1])) for n in range(6)]
    long = session("9", "test", list("abcdef"), timestamp=times, cost=[None, 2.0, None, None, 5.0, None])
    train = [session("1", "train", list("abcdef"), cost=[1.0, 2.0, 3.0, 4.0, None, None])]
    # Without a missing dwell time, the equal ones of train would be of no use.
    train.append(session("2", "train", ["c"]))
    windows = build(tmp_path, [*train, *LATER, long], spark, minimum_item_count=1)
    encoder = EncoderFile.read(windows / "encoder.json")
    names = encoder.vocabularies["item"]
    # The encoder sees the last four steps of the long train session: c to f.
    assert sorted(names) == ["c", "d", "e", "f"]
    row = read(windows, "test")["9"]
    assert (row["events"], [names[code - FIRST_VALUE] for code in row["item"]]) == (6, ["c", "d", "e", "f"])
    dwell = encoder.numeric["dwell"]
    assert (dwell.mean, dwell.deviation) == (pytest.approx(math.log1p(10), abs=1e-6), 1.0)
    expected = [(math.log1p(gap) - dwell.mean) for gap in gaps[2:]]
    assert row["dwell"] == pytest.approx(expected, abs=1e-6)
    cost = encoder.numeric["cost"]
    known = np.log1p([3.0, 4.0])
    assert (cost.mean, cost.deviation) == pytest.approx((known.mean(), known.std()), abs=1e-5)
    assert row["cost"][2] == pytest.approx((math.log1p(5) - cost.mean) / cost.deviation, rel=1e-5)
    assert row["cost"][:2] == [None, None]
    prefixes = read(windows, "test_prefixes")
    assert list(prefixes) == ["9"]
    assert prefixes["9"]["item"][:2] == [UNSEEN, UNSEEN]
    assert prefixes["9"]["dwell"][0] is None


def test_the_calendar_is_that_of_the_shop_s_time_zone() -> None:
    """Chicago is five hours behind UTC in summer and six in winter; ISO weeks cross the year."""
    moments = ["2015-07-01T04:59:59", "2015-11-01T06:59:59", "2015-11-01T07:00:00", "2016-01-03T12:00:00"]
    times = np.array(moments, "datetime64[us]").astype(np.int64)
    fields = {name: values.to_pylist() for name, values in calendar(times, "America/Chicago").items()}
    assert fields == {
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


def test_open_sessions_are_excluded_unless_they_are_kept(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [
        session("1", "train", ["a"]),
        *LATER,
        session("8", "test", ["a", "b"], open=True),
        session("9", "test", ["a"], open=True, buyer=True),
    ]
    out = build(tmp_path / "out", rows, spark)
    assert read(out, "test").keys() == {"t1"}
    manifest = WindowsManifest.of(out)
    assert (manifest.open, manifest.events.open) == (2, 3)
    kept = build(tmp_path / "kept", rows, spark, keep_open=True)
    assert read(kept, "test").keys() == {"t1", "8", "9"}
    manifest = WindowsManifest.of(kept)
    assert (manifest.open, manifest.events.open) == (0, 0)


def test_a_split_of_open_sessions_alone_is_an_error(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [session("1", "train", ["a"]), LATER[0], session("3", "test", ["a"], open=True)]
    with pytest.raises(UserError, match="test split holds no session"):
        build(tmp_path, rows, spark)
    assert not (tmp_path / "windows").exists()


def test_an_excluded_field_is_in_no_window_also_with_a_loaded_encoder(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """The other fields do not change."""
    known = {"category": list("xyz"), "cost": [1.0, 2.0, 3.0]}
    rows = [session("1", "train", ["a", "b", "a"], **known), *LATER]
    rows += [session("9", "test", list("abcdef"), category=list("xyzxyz"), cost=[5.0] * 6)]
    every, part = build(tmp_path / "every", rows, spark), build(tmp_path / "part", rows, spark, fields=SEEN)
    for split in ("train", "valid", "test", "test_prefixes"):
        for name, row in read(part, split).items():
            labels = ("session_id", "buyer", "events")
            assert row == {key: read(every, split)[name][key] for key in (*labels, "item", "dwell")}
    loaded = Encoder.load(part)
    manifest = WindowsManifest.of(part)
    assert (manifest.fields.names, manifest.absent) == (("item", "dwell"), ["hour"])
    assert manifest.left_out == ["event", "category", "weekday", "month", "week", "cost"]
    window = loaded.encode_last(table_of(rows[-1:])).to_pylist()[0]
    assert window == {field: read(part, "test")["9"][field] for field in window}
    assert loaded.fitted.sizes == {"item": Encoder.load(every).fitted.sizes["item"]}


def test_a_loaded_encoder_makes_the_same_windows(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [session("1", "train", ["a", "b", "a"]), *LATER]
    windows = build(tmp_path, rows, spark)
    again = Encoder.load(windows).encode_last(table_of(rows[-1:])).to_pylist()[0]
    written = read(windows, "test")["t1"]
    assert again
    assert again == {field: written[field] for field in again}


def test_a_column_with_one_value_throughout_train_is_no_field(tmp_path: Path, spark: SparkOptions) -> None:
    """Train has one day, one price, no category, and a colour at every step, but it has several sizes."""
    further = Fields(categorical=("colour", "size"), numeric=("weight", "discount"))

    def shopper(name: str, split: str, **changes: Any) -> Row:
        values = {
            "colour": ["red", "red"],
            "size": ["s", None],
            "weight": [None, None],
            "discount": [-3.0, 0.5],
            "cost": [9.0, 9.0],
        }
        return session(name, split, ["a", "b"], **values | changes)

    rows = [
        shopper("1", "train"),
        shopper("2", "valid", category=["x", "y"], weight=[1.0, 2.0]),
        shopper("3", "test", colour=["blue", None], size=["s", "xl"], cost=[1.0, 2.0]),
    ]
    write_sessions(tmp_path, rows, further=further)
    windows = build(tmp_path, rows, spark, minimum_item_count=1)
    manifest = WindowsManifest.of(windows)
    assert manifest.fields == Fields(categorical=("event", "item", "size"), numeric=("dwell", "discount"))
    assert manifest.absent == ["category", "hour", "weekday", "month", "week", "colour", "cost", "weight"]
    assert manifest.columns.keys() == {"session_id", "buyer", "events", *manifest.fields.names}
    assert read(windows, "test")["3"]["size"] == [FIRST_VALUE, UNSEEN]
    # The logarithms of train, -log(4) and log(1.5), are one deviation from their mean.
    assert read(windows, "train")["1"]["discount"] == pytest.approx([-1.0, 1.0], abs=1e-5)
    assert read_encoding(windows).fields == manifest.fields


def test_an_unknown_field_is_an_error(tmp_path: Path, spark: SparkOptions) -> None:
    with pytest.raises(UserError, match="no field 'brand'; it has event, item"):
        build(tmp_path, [session("1", "train", ["a"]), *LATER], spark, fields=("brand",))
