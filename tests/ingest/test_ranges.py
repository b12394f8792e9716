"""However a file is split into ranges and blocks, each line is read once and keeps its number."""

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole, format_names, raw_format
from rabbithole.ingest import blocks, csv_lines, lines
from rabbithole.ingest.layout import FileLayout
from rabbithole.ingest.lines import Allowance, FileRange, RawFile, read_blocks
from rabbithole.ingest.reading import RangeCounts, collect_report, read_range

CLICKS = raw_format("yoochoose").roles[0]

TEXT = "\ufeffsession,timestamp,item,category\n" + "".join(
    f"{n},2014-04-07T10:51:09.277Z,{100 + n},0" + ("\r\n" if n % 3 else "\n") + "\n" * (n % 5 == 0)
    if n % 4
    else f"bad line {n}\n"
    for n in range(60)
)


def ranges_of(path: Path, edges: Sequence[int | None], role: str = "clicks") -> list[FileRange]:
    """Return the ranges of a file between the edges."""
    file = RawFile(role, f"the {role}", str(path), 0)
    return [FileRange(k, file, edges[k] or 0, edges[k + 1]) for k in range(len(edges) - 1)]


def read(
    folder: Path, path: Path, edges: Sequence[int | None], role: FileRole = CLICKS
) -> tuple[list[dict], list[dict], dict]:
    """Read a file in ranges between the edges; return rows, bad lines and counts."""
    side = folder / "side"
    side.mkdir(parents=True)
    ranges = ranges_of(path, edges, role.name)
    rows = [row for part in ranges for table in read_range(part, role, side) for row in table.to_pylist()]
    report = collect_report(ranges, side, folder / "rejected")
    return rows, pq.read_table(folder / "rejected").to_pylist(), report.files[0].model_dump()


def test_ranges_and_blocks_of_any_size_give_the_same_rows_and_bad_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, packed = tmp_path / "log", tmp_path / "log.gz"
    raw = TEXT.encode()
    plain.write_bytes(raw)
    packed.write_bytes(gzip.compress(raw))
    at_once = read(tmp_path / "at once", plain, [0, None])
    rows, bad, counts = at_once
    assert [row["item"] for row in rows] == [str(100 + n) for n in range(60) if n % 4]
    bad_numbers = [number + 1 for number, line in enumerate(TEXT.splitlines()) if line.startswith("bad")]
    assert [row["line"] for row in bad] == bad_numbers
    blank = sum(n % 5 == 0 for n in range(60) if n % 4)
    assert counts == at_once[2] | {
        "lines": 61 + blank, "header": 1, "blank": blank, "rows": 45, "rejected": 15
    }  # fmt: skip
    for row in rows:
        assert raw[row["position"] :].startswith(row["session_id"].encode() + b",")
    rng = np.random.default_rng(1)
    for trial in range(40):
        monkeypatch.setattr(lines, "BLOCK_BYTES", int(rng.integers(40, 400)))
        # The first range holds the header: `split_files` makes no range below a mebibyte.
        inner = np.sort(rng.integers(60, len(raw), rng.integers(0, 6))).tolist()
        assert read(tmp_path / f"{trial}", plain, [0, *inner, len(raw)]) == at_once
    assert read(tmp_path / "packed", packed, [0, None]) == at_once


@pytest.mark.parametrize("length", [1000, 1100, 1101, 5000])
@pytest.mark.parametrize("edges", [[0, None], [0, 700, 1500, None]])
def test_a_line_that_is_far_too_long_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, edges: list[int | None]
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 100)
    good = b"1,2014-04-07T10:51:09.277Z,139,0\n"
    text = good * 3 + b"x" * length + b"\n" + good + b"1,2\n"
    (tmp_path / "log").write_bytes(text)
    rows, bad, _ = read(tmp_path, tmp_path / "log", [*edges[:-1], len(text)])
    assert [(line["line"], line["reason"]) for line in bad] == [
        (4, "it is far too long"),
        (6, "2 fields instead of 4"),
    ]
    assert [row["position"] for row in rows] == [0, 33, 66, 99 + length + 1]


def test_reading_stops_once_the_allowance_cannot_be_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "FEW_LINES", 10)
    monkeypatch.setattr(lines, "BLOCK_LINES", 50)
    good, role = b"1,2014-04-07T10:51:09.277Z,139,0\n", raw_format("yoochoose").roles[0]
    for name, text, share, stopped in (
        ("bad", b"a\n" * 40_000, 0.3, True),
        # All bad lines stand at the start, and the share of all lines is met.
        ("legitimate", b"a\n" * 400 + good * 400, 0.5, False),
        ("blank", b"a\n" * 100 + b"\n" * 101, 0.5, False),
    ):
        for packed in (False, True):
            path = tmp_path / f"{name}-{packed}"
            path.write_bytes(gzip.compress(text) if packed else text)
            layout = FileLayout(streamed=packed, size=len(text))
            file = RawFile("clicks", "the clicks", str(path), 0, layout)
            allowed = Allowance.of([file], {"clicks": role}, share)
            file_range = FileRange(0, file, 0, None if packed else len(text))
            (side := tmp_path / f"side-{name}-{packed}").mkdir()
            for _ in read_range(file_range, role, side, allowance=allowed):
                pass
            if not stopped:
                assert RangeCounts.read(side, 0).rejected == text.count(b"a\n")
                continue
            with pytest.raises(
                UserError, match=r"the clicks: .* whatever the rest of the log holds"
            ) as refused:
                RangeCounts.read(side, 0)
            if not packed:
                # Of 80,000 bytes n bad lines of 2 bytes leave 80,000 - n lines: n is 0.3 of them at 18,462.
                assert "18,500 of the 18,500 lines" in str(refused.value)


CONTENT = st.lists(
    st.binary(max_size=6) | st.sampled_from([b"\n", b"\r\n", b"\r", csv_lines.BYTE_ORDER_MARK, b"a,b"])
).map(b"".join)


@settings(deadline=None)
@given(content=CONTENT, cuts=st.lists(st.integers(0, 60)), block_bytes=st.integers(1, 20))
def test_every_line_is_in_one_block_at_its_offset(content: bytes, cuts: list[int], block_bytes: int) -> None:
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(lines, "BLOCK_BYTES", block_bytes):
        path = Path(folder) / "log"
        path.write_bytes(content)
        blocks = [block for part in ranges_of(path, edges) for block in read_blocks(part)]
    assert b"".join(text for _, text in blocks) == content
    assert all(content[offset:].startswith(text) for offset, text in blocks)
    assert all(text.endswith(b"\n") for _, text in blocks[:-1])


FIELDS = [
    b"52", b"2014-04-07T10:51:09.277Z", b"2014-02-30T10:51:09.277Z", b"9999-01-01T00:00Z", b"1433193132535",
    b"99999999999999", b"view", b"categoryid", b"790", b"n24.5", b"1e", b"-", b"1e999", b"0", b"",
    b"\xff", b"\0", b'"', csv_lines.BYTE_ORDER_MARK, "\N{SNOWMAN}".encode(), b"\r", b"9" * 19,
]  # fmt: skip
FIELD = st.sampled_from(FIELDS) | st.binary(max_size=5)
LINE = st.lists(FIELD, min_size=1, max_size=6).map(b",".join) | st.binary(max_size=30)


@pytest.mark.parametrize("role", [role for name in format_names() for role in raw_format(name).roles],
                         ids=lambda role: role.name)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    data=[b"51,2014-02-30T10:51:09.277Z,5,0", b"51,2014-02-30T10:51:09.277Z,5,0,1"], cuts=[], ending=b"\n"
)
@example(
    data=[b"9,2014-04-07T10:54:00.000Z,139,1e,1", b"9,2014-04-07T10:54:00.000Z,139,-,1"],
    cuts=[],
    ending=b"\n",
)
@example(data=[b"52,2014-04-07T10:51Z,5,0", b"\xef\xbb\xbf52,2014-04-07T10:51Z,5,0"], cuts=[25], ending=b"\n")
@given(data=st.lists(LINE, min_size=1), cuts=st.lists(st.integers(1, 200), max_size=3),
       ending=st.sampled_from([b"\n", b"\r\n"]))  # fmt: skip
def test_every_line_of_any_bytes_is_counted_once_however_the_file_is_split(
    role: FileRole, data: list[bytes], cuts: list[int], ending: bytes
) -> None:
    """The first line is a good header, so that only the first range can hold one."""
    content = ",".join(role.columns).encode() + b"\n" + ending.join(data)
    first = content.index(b"\n") + 1
    edges = sorted({0, len(content), *(first + cut for cut in cuts if first + cut < len(content))})
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "log"
        path.write_bytes(content)
        at_once = read(folder / "at once", path, [0, None], role)
        assert read(folder / "split", path, edges, role) == at_once
    rows, bad, counts = at_once
    raw_lines = content.split(b"\n")
    raw_lines = raw_lines[:-1] if raw_lines[-1] == b"" else raw_lines
    assert counts["lines"] == len(raw_lines)
    assert counts["lines"] == counts["header"] + counts["blank"] + counts["rejected"] + counts["rows"]
    assert (counts["header"], counts["rejected"]) == (1, len(bad))
    assert counts["blank"] == sum(not line.strip(b"\r") and len(line) < 2 for line in raw_lines)
    assert len(rows) == counts["rows"] or role.name == "item_properties"
    for line in bad:
        text = raw_lines[line["line"] - 1].decode("utf-8", "replace").rstrip("\r\n")
        assert line["text"] == printable(text[: blocks.TEXT_LENGTH])
    numbers = [content[: row["position"]].count(b"\n") + 1 for row in rows]
    assert len({*numbers, *(line["line"] for line in bad)}) == len(rows) + len(bad)
