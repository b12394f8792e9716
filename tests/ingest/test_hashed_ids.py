"""Ids that are hashed under a key as a log is read: no raw id is left, and all else is the same."""

import hmac
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from raw_logs import read, read_tables

from rabbithole.artifacts.data import EventsManifest
from rabbithole.errors import UserError
from rabbithole.ingest.hashed_ids import read_key
from rabbithole.specs.data import SparkOptions

KEY = bytes(range(32))

CLICKS = "".join(f"{90_001 + n // 4},2014-04-07T10:5{n % 4}:09.277Z,{100 + n},0\n" for n in range(40))
EVENTS = "timestamp,visitorid,event,itemid,transactionid\n" + "".join(
    f"{1_433_116_800_000 + 1000 * n},{90_001 + n // 3},view,{n},\n" for n in range(30)
)
TABLE = "who,sid,at,what\n" + "".join(
    f"9000{n // 4},9100{n // 2},{1_433_116_800 + n},view\n" for n in range(40)
)
COLUMNS = {"session": "sid", "visitor": "who", "time": "at", "event": {"column": "what"}}


def hashed(name: str | None) -> str | None:
    """Return the hash of an id, from its definition."""
    return None if name is None else hmac.new(KEY, name.encode(), "sha256").hexdigest()[:32]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("format", "files", "bad"),
    [
        ("yoochoose", {"yoochoose-clicks.dat": CLICKS}, "90777,never,1,0\n"),
        ("retailrocket", {"events.csv": EVENTS}, "never,90777,view,1,\n"),
        ("table", {"log.csv": TABLE}, "90777,90778,never,view\n"),
    ],
)
def test_no_id_of_the_log_is_left_and_all_else_is_the_same(
    tmp_path: Path, spark: SparkOptions, format: str, files: dict[str, str], bad: str
) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    first = next(iter(files))
    files = {**files, first: files[first] + bad}

    def events(folder: Path, hash_ids: str | None) -> tuple[list[dict[str, Any]], EventsManifest]:
        if format == "table":
            changes = {"table": {"events": COLUMNS}, "max_rejected": 0.5, "hash_ids": hash_ids}
            return read_tables(folder, files, spark, **changes)
        return read(folder, format, files, spark, hash_ids=hash_ids)

    plain, manifest = events(tmp_path / "plain", None)
    rows, hashed_manifest = events(tmp_path / "hashed", str(key))
    expected = [
        {**row, "session_id": hashed(row["session_id"]), "visitor": hashed(row["visitor"])} for row in plain
    ]
    assert sorted(rows, key=lambda row: row["position"]) == sorted(expected, key=lambda row: row["position"])
    for name in ("rows", "sessions", "visitors", "items", "lines", "rejected_reasons"):
        assert getattr(hashed_manifest, name) == getattr(manifest, name)
    assert manifest.rejected == 1 and "90777" in pq.read_table(tmp_path / "plain/rejected")["text"][0].as_py()
    written = [
        path for path in (tmp_path / "hashed").rglob("*") if path.is_file() and "raw" not in path.parts
    ]
    tables = [pq.read_table(path).to_pylist() for path in written if path.suffix == ".parquet"]
    texts = [path.read_text() for path in written if path.suffix == ".json"]
    assert tables and texts and "90777" not in str(tables) + str(texts)


@pytest.mark.parametrize("size", [None, 0, 31, 100_000])
def test_what_is_no_key_is_refused(tmp_path: Path, size: int | None) -> None:
    if size is not None:
        (tmp_path / "key").write_bytes(b"k" * size)
    with pytest.raises(UserError, match=r"hash_ids: .*key(: No such file| is no key: a file of 32)"):
        read_key(tmp_path / "key")
