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

from rabbithole.artifacts.data import EncoderFile, WindowsManifest
from rabbithole.errors import UserError
from rabbithole.sessions.session_task import SESSION_SCHEMA
from rabbithole.specs.data import SparkOptions
from rabbithole.training.data import read_encoding
from rabbithole.windows.encoder import Encoder, calendar
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, RARE, UNSEEN

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


LATER = [session("v1", "valid", ["a"]), session("t1", "test", ["a", "b", "new", None])]

SEEN = ("item", "hour", "dwell")


def test_rare_unseen_and_missing_values_have_their_codes(tmp_path: Path, spark: SparkOptions) -> None:
    train = [session("1", "train", ["a", "b", "a"]), session("2", "train", ["a", "once"])]
    windows = build(tmp_path, [*train, *LATER], spark)
    encoder = EncoderFile.read(windows / "encoder.json")
    assert encoder.vocabularies["item"] == ["a"]
    assert encoder.rare == ["b", "once"]
    assert read(windows, "train")["2"]["item"] == [FIRST_VALUE, RARE]
    assert read(windows, "test")["t1"]["item"] == [FIRST_VALUE, RARE, UNSEEN, MISSING]
    assert read(windows, "test")["t1"]["category"] == [MISSING] * 4
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
    windows = build(tmp_path, [*train, *LATER, long], spark, minimum_item_count=1)
    encoder = EncoderFile.read(windows / "encoder.json")
    names = encoder.vocabularies["item"]
    # The encoder sees the last four steps of the only train session: c to f.
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


def test_an_excluded_field_is_missing_everywhere_also_with_a_loaded_encoder(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """The other fields do not change."""
    known = {"category": list("xyz"), "cost": [1.0, 2.0, 3.0]}
    rows = [session("1", "train", ["a", "b", "a"], **known), *LATER]
    rows += [session("9", "test", list("abcdef"), category=list("xyzxyz"), cost=[5.0] * 6)]
    every, part = build(tmp_path / "every", rows, spark), build(tmp_path / "part", rows, spark, fields=SEEN)
    for split in ("train", "valid", "test", "test_prefixes"):
        for name, row in read(part, split).items():
            expected = read(every, split)[name]
            for field in set(CATEGORICAL) - set(SEEN):
                expected[field] = [MISSING] * len(row["item"])
            expected["cost"] = [None] * len(row["item"])
            assert row == expected
    loaded = Encoder.load(part)
    window = loaded.encode_last(pa.Table.from_pylist(rows[-1:], SESSION_SCHEMA)).to_pylist()[0]
    assert window == {field: read(part, "test")["9"][field] for field in window}
    sizes = Encoder.load(every).fitted.sizes
    assert loaded.fitted.sizes == sizes | dict.fromkeys(set(CATEGORICAL) - set(SEEN), FIRST_VALUE)


def test_a_loaded_encoder_makes_the_same_windows(tmp_path: Path, spark: SparkOptions) -> None:
    rows = [session("1", "train", ["a", "b", "a"]), *LATER]
    windows = build(tmp_path, rows, spark)
    again = Encoder.load(windows).encode_last(pa.Table.from_pylist(rows[-1:], SESSION_SCHEMA)).to_pylist()[0]
    written = read(windows, "test")["t1"]
    assert all(again[field] == written[field] for field in (*CATEGORICAL, "dwell", "cost"))
