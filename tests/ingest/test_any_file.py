"""Whatever a file holds, each of its lines is read, set aside or counted, or the file is refused."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from any_file import KINDS, check_any_file
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rabbithole.errors import UserError
from rabbithole.ingest.lines import unpack_all

PIECES = [
    *(b",", b";", b"\n", b"\r\n", b"\n\r", b"\r", b'"', b"\0", b"\xef\xbb\xbf", b"\xe9", b"\x1b[31m", b"{"),
    *(b"2014-04-07T10:51:09.277Z", b"2014-02-30T24:00:60+24:00", b"9999-12-31T23:59:59-23:59", b"0001-01-01"),
    *(b"1433193132535", b"9" * 19, b"9" * 400, b"-", b"1.2.3", b"1e", b"1e999", b"1,5", b"nan", b"n24.5"),
    *(b"1", b"0", b"view", b"categoryid", b"\xe2\x80\xa8", b"\x85", b"[" * 60, b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"\\ud800", b"}"),
    b'{"s":"1","t":"2014-04-07T10:51:09Z","i":"2","p":1e999}\n',
    b'{"s":"1","t":1433193132,"items":[{"i":"2","p":-1},{"i":null},3]}\n',
    b"1,2014-04-07T10:51:09.277Z,139,0\n",
    b"1,2014-04-07T10:51:09.277Z,139,5,1\n",
    b"s,t,i,p,f\n",
]  # fmt: skip
CONTENT = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=14).map(b"".join)
PACKED: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, bz2.compress, lzma.compress]


@settings(deadline=None, max_examples=300)
@given(kind=st.integers(0, len(KINDS) - 1), content=CONTENT)
@example(kind=0, content=b"\xef\xbb\xbf\xef\xbb\xbf")
@example(kind=0, content=b"1,2\n\r")
@example(kind=9, content=b"s,t\r,i,p,f\nx\n")
@example(kind=5, content=b"s,t,i,p,f\n\xe9\n")
def test_no_line_of_any_file_is_lost_or_ends_a_step(kind: int, content: bytes) -> None:
    check_any_file(kind, content)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.integers(0, len(KINDS) - 1),
    content=CONTENT,
    pack=st.sampled_from(PACKED),
    cut=st.integers(0, 40),
    flip=st.integers(0, 2**10),
)
def test_no_damage_of_a_packed_file_ends_a_step(
    kind: int, content: bytes, pack: Callable[[bytes], bytes], cut: int, flip: int
) -> None:
    packed = bytearray(pack(content * 3))
    if packed:
        packed[flip // 8 % len(packed)] ^= 1 << flip % 8
    check_any_file(kind, bytes(packed[: len(packed) - cut]))


@pytest.mark.parametrize("kind", [5, 7, 9])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_json_array_is_refused_with_what_to_do(tmp_path: Path, kind: int, encoding: str) -> None:
    (path := tmp_path / "log").write_bytes('[\n {"s": "1"},\n {"s": "2"}\n]\n'.encode(encoding))
    format, name = KINDS[kind]
    with pytest.raises(UserError, match=r"is one JSON array, .*jq -c"):
        unpack_all(format, {name: [path]}, tmp_path)
