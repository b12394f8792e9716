"""However a file is cut into pieces, each line is read once, at its own place."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.errors import UserError
from rabbithole.formats import yoochoose
from rabbithole.ingest import lines
from rabbithole.ingest.lines import FileRange, RawFile
from rabbithole.ingest.reading import collect, read_range
from rabbithole.io.parts import whole_groups

TEXT = "\ufeffsession,timestamp,item,category\n" + "".join(
    f"{n},2014-04-07T10:51:09.277Z,{100 + n},0" + ("\r\n" if n % 3 else "\n") + "\n" * (n % 5 == 0)
    if n % 4
    else f"bad line {n}\n"
    for n in range(60)
)


def read(folder: Path, path: Path, edges: list[int | None]) -> tuple[list[dict], list[dict], dict]:
    """Read a file in pieces that begin and end at the edges; return rows, bad lines and counts."""
    side = folder / "side"
    side.mkdir(parents=True)
    file = RawFile("clicks", "the clicks", str(path), 0)
    pieces = [FileRange(k, file, edges[k] or 0, edges[k + 1]) for k in range(len(edges) - 1)]
    rows = [
        row
        for piece in pieces
        for batch in read_range(piece, yoochoose.LAYOUTS["clicks"], side)
        for row in batch.to_pylist()
    ]
    report = collect(pieces, side, folder / "rejected")
    return rows, pq.read_table(folder / "rejected").to_pylist(), report.files[0]


def test_pieces_and_blocks_of_any_size_give_the_same_rows_and_bad_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, packed = tmp_path / "log", tmp_path / "log.gz"
    raw = TEXT.encode()
    plain.write_bytes(raw)
    packed.write_bytes(gzip.compress(raw))
    whole = read(tmp_path / "whole", plain, [0, None])
    rows, bad, counts = whole
    assert [row["item"] for row in rows] == [str(100 + n) for n in range(60) if n % 4]
    by_hand = [number + 1 for number, line in enumerate(TEXT.splitlines()) if line.startswith("bad")]
    assert [row["line"] for row in bad] == by_hand
    blank = sum(n % 5 == 0 for n in range(60) if n % 4)
    assert counts == whole[2] | {"lines": 61 + blank, "header": 1, "blank": blank, "rows": 45, "rejected": 15}
    for row in rows:
        assert raw[row["position"] :].startswith(row["session_id"].encode() + b",")
    rng = np.random.default_rng(1)
    for trial in range(40):
        monkeypatch.setattr(lines, "BLOCK_BYTES", int(rng.integers(40, 400)))
        # The first piece holds the header, as `cut` makes no piece under a mebibyte.
        inner = np.sort(rng.integers(60, len(raw), rng.integers(0, 6))).tolist()
        assert read(tmp_path / f"{trial}", plain, [0, *inner, len(raw)]) == whole
    assert read(tmp_path / "packed", packed, [0, None]) == whole


def test_a_file_without_line_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 1000)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 100)
    (tmp_path / "log").write_bytes(b"x" * 5000)
    with pytest.raises(UserError, match=r"the clicks has a line of over 1,000 bytes"):
        read(tmp_path, tmp_path / "log", [0, None])


def test_no_key_is_split_however_long() -> None:
    rng = np.random.default_rng(2)
    keys = np.repeat(np.arange(30), rng.integers(1, 40, 30))
    table = pa.table({"key": pa.array(keys.astype(str)), "row": np.arange(len(keys))})
    for size in (1, 7, 100):
        found = list(whole_groups(table.to_batches(max_chunksize=size), "key", rows=10))
        assert pa.concat_tables(found).equals(table)
        heads = [part["key"][0].as_py() for part in found]
        assert len(heads) == len(set(heads)) > 5
        assert all(before["key"][-1] != after["key"][0] for before, after in itertools.pairwise(found))
