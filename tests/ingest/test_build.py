"""Small raw logs: which lines become events, which are rejected, which logs are refused."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import py7zr
import pyarrow.parquet as pq
import pytest
from raw_logs import CLICKS, EVENTS, PROPERTIES, read, rejected_lines

from rabbithole.errors import UserError
from rabbithole.ingest.locate import locate
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> list[dict[str, Any]]:
    """Return the events of `CLICKS` in a plain file."""
    return read(tmp_path_factory.mktemp("plain"), "yoochoose", {"yoochoose-clicks.dat": CLICKS}, spark)[0]


def test_clicks_and_buys_become_events_in_the_log_s_order(tmp_path: Path, spark: SparkOptions) -> None:
    clicks = (
        "1,2014-04-07T10:54:09.868Z,214536506,7\n1,2014-04-07T10:54:09.868Z,214536500,S\n"
        "2,2014-04-07T13:56:37.614Z,214662742,0\n1,2014-04-07T10:51:09.277Z,214536502,0\n"
    )
    buys = "1,2014-04-07T10:54:09.868Z,214536500,0,2\n1,2014-04-07T10:54:09.868Z,214536506,523,1\n"
    files = {"yoochoose-clicks.dat": clicks, "yoochoose-buys.dat": buys}
    rows, manifest = read(tmp_path, "yoochoose", files, spark)
    events = [(row["session_id"], row["event"], row["item"], row["category"], row["cost"]) for row in rows]
    assert events == [
        ("1", "view", "214536502", None, None),
        ("1", "view", "214536506", "7", None),
        ("1", "view", "214536500", "S", None),
        ("1", "transaction", "214536500", None, None),
        ("1", "transaction", "214536506", None, 523.0),
        ("2", "view", "214662742", None, None),
    ]
    assert rows[0]["timestamp"].isoformat() == "2014-04-07T10:51:09.277000+00:00"
    assert manifest.events == {"transaction": 2, "view": 4}


def test_category_and_price_are_those_known_at_the_event(tmp_path: Path, spark: SparkOptions) -> None:
    """The last snapshot at or before the event counts, never a later one."""
    files = {
        "events.csv": EVENTS + "1000000000000,7,view,5,\n1000000002000,7,addtocart,5,\n"
        "1000000003000,7,transaction,5,99\n1000000003000,8,view,6,\n",
        "item_properties_part1.csv": PROPERTIES
        + "1000000000001,5,categoryid,11\n1000000002000,5,790,n24.500\n1000000002001,5,790,n99.000\n",
        "item_properties_part2.csv": PROPERTIES
        + "1000000002500,5,categoryid,12\n1000000002500,5,888,n1.000 7\n",
        "category_tree.csv": "categoryid,parentid\n11,\n12,11\n",
    }
    rows, manifest = read(tmp_path, "retailrocket", files, spark)
    assert [(row["visitor"], row["event"], row["category"], row["cost"]) for row in rows] == [
        ("7", "view", None, None),
        ("7", "addtocart", "11", 24.5),
        ("7", "transaction", "12", 99.0),
        ("8", "view", None, None),
    ]
    assert manifest.visitors == 2
    assert manifest.files_missing == []
    tree = manifest.category_tree
    assert tree is not None
    assert (tree.categories, tree.roots) == (2, 1)
    for name, table in (
        (manifest.category_roots, {"category": ["11", "12"], "root": ["11", "11"]}),
        (manifest.category_history, {"item": ["5", "5"], "value": ["11", "12"]}),
        (manifest.cost_history, {"item": ["5", "5"], "value": [24.5, 99.0]}),
    ):
        assert name is not None
        assert pq.read_table(tmp_path / "events" / name, columns=list(table)).to_pydict() == table


def test_optional_files_may_be_missing_and_are_named(tmp_path: Path, spark: SparkOptions) -> None:
    rows, manifest = read(
        tmp_path, "retailrocket", {"events.csv": EVENTS + "1000000000000,7,view,5,\n"}, spark
    )
    assert (rows[0]["category"], rows[0]["cost"]) == (None, None)
    assert (manifest.category_tree, manifest.category_roots) == (None, None)
    assert manifest.files_missing == ["item_properties", "category_tree"]
    with pytest.raises(UserError, match=r"No events file .*events\.csv"):
        locate("retailrocket", tmp_path)


def test_a_first_line_that_is_no_header_is_rejected(tmp_path: Path, spark: SparkOptions) -> None:
    text = "a broken line,without,figures\n" + CLICKS
    _, manifest = read(tmp_path, "yoochoose", {"yoochoose-clicks.dat": text}, spark)
    assert rejected_lines(tmp_path)[0][0] == 1
    assert (manifest.lines.header, manifest.rejected) == (0, 1)


def test_many_good_properties_do_not_make_up_for_bad_events(tmp_path: Path, spark: SparkOptions) -> None:
    files = {
        "events.csv": EVENTS + "1000000000000,7,view,5,\n" * 9 + "yesterday,7,view,5,\n",
        "item_properties_part1.csv": PROPERTIES + "1000000000001,5,790,n1.0\n" * 900,
    }
    with pytest.raises(UserError, match=r"1 of 11 lines can't be read"):
        read(tmp_path, "retailrocket", files, spark, max_rejected=0.01)


def test_bad_lines_of_every_file_are_rejected_with_the_name_of_the_file(
    tmp_path: Path, spark: SparkOptions
) -> None:
    files = {
        "events.csv": EVENTS + "1000000000000,7,view,5,\n1000000000000,7,buy,5,\nnow,7,view,5,\n",
        "item_properties_part1.csv": PROPERTIES
        + "1000000000000,5,categoryid,eleven\n1000000000000,5,790,cheap\n1000000000000,5,888,n1.0 7\n",
        "item_properties_part2.csv": PROPERTIES + "1000000000000,5,,1\n1000000000000,5,available,1\n",
        "category_tree.csv": "categoryid,parentid\n11,\n12,top\n",
    }
    rows, manifest = read(tmp_path, "retailrocket", files, spark, max_rejected=0.7)
    assert [(row["event"], row["category"], row["cost"]) for row in rows] == [("view", None, None)]
    bad = pq.read_table(tmp_path / "rejected").to_pylist()
    assert {(Path(row["file"]).name, row["line"], row["reason"]) for row in bad} == {
        ("events.csv", 3, "unknown event 'buy'"),
        ("events.csv", 4, "timestamp is not a time"),
        ("item_properties_part1.csv", 2, "categoryid is not a number"),
        ("item_properties_part1.csv", 3, "price is not a number"),
        ("item_properties_part2.csv", 2, "property is empty"),
        ("category_tree.csv", 3, "parentid is not a number"),
    }
    assert manifest.rejected == len(bad) == 6
    assert {Path(file.file).name: file.rejected for file in manifest.files_read} == {
        "events.csv": 2,
        "item_properties_part1.csv": 2,
        "item_properties_part2.csv": 1,
        "category_tree.csv": 1,
    }


def test_too_many_bad_lines_fail_with_the_first_five(tmp_path: Path, spark: SparkOptions) -> None:
    text = CLICKS + "a bad line\n" * 8
    with pytest.raises(UserError) as error:
        read(tmp_path, "yoochoose", {"yoochoose-clicks.dat": text}, spark, max_rejected=0.1)
    message = str(error.value)
    assert "8 of 48 lines" in message
    assert message.count("yoochoose-clicks.dat:") == 5
    assert not (tmp_path / "events").exists()
    assert not (tmp_path / "events.json").exists()


def test_packed_files_give_the_same_events(
    tmp_path: Path, spark: SparkOptions, plain: list[dict[str, Any]]
) -> None:
    for ending in (".gz", ".zip", ".7z"):
        folder = tmp_path / ending
        packed = folder / "raw" / f"yoochoose-clicks.dat{ending}"
        packed.parent.mkdir(parents=True)
        if ending == ".gz":
            packed.write_bytes(gzip.compress(CLICKS.encode()))
        elif ending == ".zip":
            with zipfile.ZipFile(packed, "w") as pack:
                pack.writestr("any/name.dat", CLICKS)
        else:
            with py7zr.SevenZipFile(packed, "w") as pack:
                pack.writestr(CLICKS, "yoochoose-clicks.dat")
        rows, _ = read(folder, "yoochoose", {}, spark)
        assert rows == plain


def test_a_download_cut_short_is_refused_by_name(tmp_path: Path, spark: SparkOptions) -> None:
    """An incomplete log must not be taken for a complete one."""
    half = gzip.compress(CLICKS.encode())[:-20]
    with pytest.raises(UserError, match=r"yoochoose-clicks\.dat\.gz can't be unpacked"):
        read(tmp_path, "yoochoose", {"yoochoose-clicks.dat.gz": half}, spark)


@pytest.mark.parametrize("ending", [".gz", ".zip", ".7z"])
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, spark: SparkOptions, ending: str) -> None:
    name = f"yoochoose-clicks.dat{ending}"
    with pytest.raises(UserError, match="yoochoose-clicks"):
        read(tmp_path, "yoochoose", {name: b"\x1f\x8b\x08 this is no archive"}, spark)


def test_exact_repeats_are_dropped_and_counted_or_kept(tmp_path: Path, spark: SparkOptions) -> None:
    """Two purchases of an item at one time are no repeats: the raw lines differ in their transaction."""
    views = "".join(f"1000000000000,7,view,{item},\n" for item in (5, 6, 5, 5))
    bought = "".join(f"1000000000000,7,transaction,5,{number}\n" for number in (1, 2))
    files = {"events.csv": EVENTS + views + bought}
    rows, manifest = read(tmp_path / "dropped", "retailrocket", files, spark)
    assert [row["item"] for row in rows] == ["5", "6", "5", "5"]
    assert [row["event"] for row in rows] == ["view"] * 2 + ["transaction"] * 2
    assert manifest.lines.model_dump() == {
        "lines": 7, "header": 1, "blank": 0, "rejected": 0, "duplicates": 2, "kept": 4
    }  # fmt: skip
    rows, _ = read(tmp_path / "kept", "retailrocket", files, spark, drop_duplicates=False)
    assert [row["item"] for row in rows] == ["5", "6", "5", "5", "5", "5"]
