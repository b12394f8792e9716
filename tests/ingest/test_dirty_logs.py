"""A dirty raw log: harmless dirt is accepted, bad lines are rejected with a reason, bad files are refused."""

import gzip
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from raw_logs import CLICKS, EVENTS, PROPERTIES, read, rejected_lines

from rabbithole.artifacts.data import EventsManifest
from rabbithole.errors import UserError
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

LOG = {
    "yoochoose-clicks.dat": CLICKS,
    "yoochoose-buys.dat": "9,2014-04-07T10:54:00.000Z,139,523,1\n",
    "events.csv": EVENTS + "".join(f"{1000000000000 + n},{n % 3},view,{n},\n" for n in range(10)),
    "item_properties_part1.csv": PROPERTIES + "1000000000000,5,categoryid,11\n1000000000000,6,790,n24.5\n",
    "category_tree.csv": "categoryid,parentid\n11,\n",
}
EVENTS_IN = {"yoochoose": 41, "retailrocket": 10}


def read_log(
    folder: Path, spark: SparkOptions, file: str, text: str | bytes
) -> tuple[list[dict[str, Any]], EventsManifest]:
    """Build events from the log of a file, with another text in this file; return events and manifest."""
    format = format_of(file)
    files: dict[str, str | bytes] = {name: clean for name, clean in LOG.items() if format_of(name) == format}
    return read(folder, format, files | {file: text}, spark, max_rejected=0.9)


def format_of(file: str) -> str:
    """Return the format of a file name."""
    return "yoochoose" if file.startswith("yoochoose") else "retailrocket"


def shuffled(text: str) -> str:
    """Return the lines in another order."""
    lines = text.splitlines(keepends=True)
    return "".join(random.Random(3).sample(lines, len(lines)))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> dict[str, list[dict[str, Any]]]:
    """Return the events of the clean log of each format."""
    folder = tmp_path_factory.mktemp("clean")
    return {
        format_of(file): read_log(folder / file, spark, file, LOG[file])[0]
        for file in ("yoochoose-clicks.dat", "events.csv")
    }


ACCEPTED = [
    ("CRLF", "yoochoose-clicks.dat", lambda text: text.replace("\n", "\r\n"), {}),
    ("byte order mark", "yoochoose-clicks.dat", lambda text: "\ufeff" + text, {}),
    ("byte order mark and header", "events.csv", lambda text: "\ufeff" + text, {}),
    ("no last line end", "yoochoose-clicks.dat", lambda text: text.rstrip("\n"), {}),
    ("blank lines", "yoochoose-clicks.dat", lambda text: text.replace("\n", "\n\n"), {"blank": 40}),
    (
        "header where none belongs",
        "yoochoose-clicks.dat",
        lambda text: "session,timestamp,item,category\n" + text,
        {"header": 1},
    ),
    ("no header where one belongs", "events.csv", lambda text: text.removeprefix(EVENTS), {"header": -1}),
    ("duplicated rows", "yoochoose-clicks.dat", lambda text: text * 2, {"duplicates": 40}),
    ("times out of order", "yoochoose-clicks.dat", shuffled, {}),
    (
        "properties of an item of no event",
        "item_properties_part1.csv",
        lambda text: text + "1000000000000,999,categoryid,12\n",
        {},
    ),
]


@pytest.mark.parametrize(
    ("file", "change", "counts"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_harmless_dirt_is_accepted(
    tmp_path: Path, spark: SparkOptions, clean: dict[str, Any], file: str, change: Any, counts: dict[str, int]
) -> None:
    """The events are those of the clean log, and the other lines are counted."""
    events, manifest = read_log(tmp_path, spark, file, change(LOG[file]))
    expected = clean[format_of(file)]
    assert [row | {"position": 0} for row in events] == [row | {"position": 0} for row in expected]
    header = int(format_of(file) == "retailrocket")
    lines = {"header": header, "blank": 0, "rejected": 0, "duplicates": 0, "kept": len(expected)}
    lines |= {name: lines[name] + count for name, count in counts.items()}
    assert manifest.lines.model_dump() == lines | {"lines": sum(lines.values())}


REJECTED = {
    "yoochoose-clicks.dat": [
        ("year 1970", "52,1970-01-01T00:00:00.000Z,5,0", "timestamp is in the year 1970, not 1990 to 2099"),
        ("year 2100", "52,2100-01-01T00:00:00.000Z,5,0", "timestamp is in the year 2100, not 1990 to 2099"),
        ("no time", "51,yesterday,5,0", "timestamp is not a time"),
        ("no such day", "51,2014-02-30T10:51:09.277Z,5,0", "timestamp is not a time"),
        ("byte order mark mid-way", "\ufeff51,2014-04-07T10:51:09.277Z,5,0", "session is not a number"),
        ("NUL in session", "5\x001,2014-04-07T10:51:09.277Z,5,0", "session is not a number"),
        ("NUL in time", "51,2014-04-07T10:51:09.277Z\0,5,0", "timestamp is not a time"),
        ("NUL in category", "51,2014-04-07T10:51:09.277Z,5,0\0", "category is not a word or number"),
        ("NUL alone", "\0\0\0\0", "1 field instead of 4"),
        ("no session", ",2014-04-07T10:51:09.277Z,5,0", "session is empty"),
        ("odd session", "x,2014-04-07T10:51:09.277Z,5,0", "session is not a number"),
        ("no item", "53,2014-04-07T10:51:09.277Z,,0", "item is empty"),
        ("quote", '56,2014-04-07T10:51:09.277Z,"5,0', "item is not a number"),
        ("no letters", "57,2014-04-07T10:51:09.277Z,5,\N{SNOWMAN}", "category is not a word or number"),
        ("field too many", "55,2014-04-07T10:51:09.277Z,5,0,9", "5 fields instead of 4"),
        ("header mid-way", "session,timestamp,item,category", "session is not a number"),
        ("cut mid-way at the end", "54,2014-04-07T10:5", "2 fields instead of 4"),
    ],
    "yoochoose-buys.dat": [
        ("negative cost", "9,2014-04-07T10:54:00.000Z,139,-5,1", "price is negative"),
        ("absurd cost", "9,2014-04-07T10:54:00.000Z,139,1e10,1", "price is over 1,000,000,000"),
        ("infinite cost", "9,2014-04-07T10:54:00.000Z,139,inf,1", "price is not a number"),
        ("cost with half an exponent", "9,2014-04-07T10:54:00.000Z,139,1e,1", "price is not a number"),
        ("cost of a sign", "9,2014-04-07T10:54:00.000Z,139,-,1", "price is not a number"),
    ],
    "events.csv": [
        ("unknown event name", "1000000000000,7,buy,5,", "unknown event 'buy'"),
        ("NUL in event name", "1000000000000,7,vi\0ew,5,", "unknown event 'vi\\x00ew'"),
        ("year 1970", "0,7,view,5,", "timestamp is in the year 1970, not 1990 to 2099"),
        ("year 2100", "4102444800000,7,view,5,", "timestamp is in the year 2100, not 1990 to 2099"),
        ("cut mid-way at the end", "1000000000000,7,vi", "3 fields instead of 5"),
    ],
    "item_properties_part1.csv": [
        ("no item", "1000000000000,,categoryid,12", "itemid is empty"),
        ("negative cost", "1000000000000,7,790,n-24.000", "price is negative"),
        ("absurd cost", "1000000000000,7,790,n10000000000.000", "price is over 1,000,000,000"),
        ("cut mid-way at the end", "1000000000000,7,categ", "3 fields instead of 4"),
    ],
}


@pytest.mark.parametrize("file", REJECTED)
def test_bad_lines_are_rejected(
    tmp_path: Path, spark: SparkOptions, clean: dict[str, Any], file: str
) -> None:
    """Bad lines after the clean ones are rejected under their numbers; the events stay the same."""
    dirt = REJECTED[file]
    text = LOG[file] + "\n".join(line for _, line, _ in dirt)
    events, manifest = read_log(tmp_path, spark, file, text)
    assert events == clean[format_of(file)]
    before = len(LOG[file].splitlines())
    expected = {what: (before + n, reason) for n, (what, _, reason) in enumerate(dirt, 1)}
    assert dict(zip(expected, rejected_lines(tmp_path), strict=True)) == expected
    texts = [line.replace("\0", "\\x00").replace("\ufeff", "\\ufeff") for _, line, _ in dirt]
    assert pq.read_table(tmp_path / "rejected")["text"].to_pylist() == texts
    assert [bad.text for bad in manifest.rejected_examples] == texts[:5]
    assert manifest.rejected == len(dirt) == sum(manifest.rejected_reasons.values())
    of_events = len(dirt) if file != "item_properties_part1.csv" else 0
    assert manifest.lines.rejected == of_events
    header = int(format_of(file) == "retailrocket")
    assert manifest.lines.lines == EVENTS_IN[format_of(file)] + header + of_events


REFUSED = [
    ("empty file", "events.csv", "", r"events\.csv is empty"),
    ("empty file beside others", "item_properties_part2.csv", "", r"item_properties_part2\.csv is empty"),
    ("empty packed file", "item_properties_part2.csv.gz", gzip.compress(b""), r"2\.csv\.gz has no row: of 0"),
    ("header alone", "events.csv", EVENTS, r"events\.csv has no row"),
    ("blank lines alone", "events.csv", "\n\r\n\n", r"events\.csv has no row: of 3 lines .* 3 are blank"),
    ("byte order mark alone", "events.csv", "\ufeff", r"1 of 1 lines can't be read"),
    ("NUL bytes alone", "events.csv", "\0" * 5000, r"1 of 1 lines can't be read"),
    (
        "no good line in one file",
        "yoochoose-buys.dat",
        "9,bought,5\n" * 9,
        r"buys\.dat has no row: .* 9 can't",
    ),
    ("header of other columns", "events.csv", EVENTS.replace("itemid", "item"), r"timestamp,.*,itemid,"),
]


@pytest.mark.parametrize(("file", "text", "words"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED])
def test_bad_files_are_refused(
    tmp_path: Path, spark: SparkOptions, file: str, text: str | bytes, words: str
) -> None:
    """The error names the file or quotes its lines, and no output remains."""
    with pytest.raises(UserError, match=words):
        read_log(tmp_path, spark, file, text)
    assert not (tmp_path / "events").exists()
    assert not (tmp_path / "events.json").exists()
