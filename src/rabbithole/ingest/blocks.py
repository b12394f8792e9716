"""Blocks: the rows and lines of a part of a raw file that are handled at once."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.errors import printable

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is set aside: it is no line of a log."""

LONG_LINE = "it is far too long"

TEXT_LENGTH = 200
"""Characters of a bad line that are kept."""


@dataclass(frozen=True)
class Block(ABC):
    """Some lines of a file, or rows of a table, as columns.

    columns: the columns of the rows that could be taken apart; line: int64 [rows], the line of each row
    within the block, from 0; places: int64 [rows], the place of each row within its file, rising; lines: the
    number of lines, including blank ones; malformed: line -> reason why it is not a row; blank: number of
    lines without content; exploded: rows beyond the first of their line; rest: uint64 [rows] or None, a hash
    of the columns that are not among `columns`.
    """

    columns: dict[str, pa.Array]
    line: NDArray[np.int64]
    places: NDArray[np.int64]
    lines: int
    malformed: dict[int, str] = field(default_factory=dict)
    blank: int = 0
    exploded: int = 0
    rest: pa.Array | None = None

    @abstractmethod
    def texts(self, lines: NDArray[np.int64]) -> list[str]:
        """Return the text of some lines, printable, without line ends, cut to `TEXT_LENGTH` characters."""


@dataclass(frozen=True)
class TextBlock(Block):
    """Lines of a text file. text: their bytes; starts: int64 [lines + 1], byte offsets of lines in it."""

    text: bytes = b""
    starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    encoding: str = "utf-8"

    def texts(self, lines: NDArray[np.int64]) -> list[str]:
        """Return the text of some lines, printable, without line ends, cut to `TEXT_LENGTH` characters."""
        spans = zip(self.starts[lines].tolist(), self.starts[lines + 1].tolist(), strict=True)
        # A character has four bytes at most.
        cuts = (self.text[start : min(end, start + 4 * TEXT_LENGTH)] for start, end in spans)
        return [printable(cut.decode(self.encoding, "replace").rstrip("\r\n")[:TEXT_LENGTH]) for cut in cuts]


def line_starts(text: bytes) -> NDArray[np.int64]:
    """Return the byte offsets of the lines of a text and of its end, int64 [lines + 1]."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    if len(ends) == 0 or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    return np.concatenate([[0], ends]).astype(np.int64)


def without_long_lines(text: bytes, starts: NDArray[np.int64]) -> tuple[bytes, dict[int, str]]:
    """Return a text without the lines that are too long, and the reason of each such line.

    starts: as `line_starts` returns them.
    """
    long = np.flatnonzero(np.diff(starts) >= MAX_LINE_BYTES).tolist()
    if not long:
        return text, {}
    edges = [0, *(edge for number in long for edge in starts[number : number + 2].tolist()), len(text)]
    kept = b"".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    return kept, dict.fromkeys(long, LONG_LINE)


def hash_rows(columns: Iterable[pa.Array]) -> pa.Array | None:
    """Return a hash of each row of some columns, uint64 [rows]; None without columns."""
    total: NDArray[np.uint64] | None = None
    for column in columns:
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = pc.fill_null(coded.dictionary.cast(pa.string()), "\0").to_numpy(zero_copy_only=False)
        hashed = pd.util.hash_array(np.append(texts, "\0"), categorize=False)
        values = hashed[coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
        total = values if total is None else total * np.uint64(1_000_003) + values
    return None if total is None else pa.array(total)
