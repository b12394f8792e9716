"""Columns of numbers as text, many at a time: Arrow writes the lines, no row passes through Python."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from numpy.typing import NDArray

DAY = 86_400_000
_SECONDS = np.arange(86_400)
_CLOCK = np.array([f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}." for s in _SECONDS.tolist()], "S10")
_THOUSANDTHS = np.array([f"{ms:03}Z" for ms in range(1000)], "S4")
_STAMP = np.dtype([("date", "S10"), ("clock", "S10"), ("rest", "S4")])


def stamps(time: NDArray[np.int64]) -> pa.Array:
    """Return times (milliseconds since 1970, UTC) as text like 2014-04-07T10:51:09.277Z."""
    if not len(time):
        return pa.array([], pa.string())
    day, within = np.divmod(time, DAY)
    low = int(day.min())
    dates = np.array([str(np.datetime64(number, "D")) for number in range(low, int(day.max()) + 1)], "S10")
    out = np.empty(len(time), _STAMP)
    out["date"] = dates[day - low]
    second, thousandth = np.divmod(within, 1000)
    out["clock"] = _CLOCK[second]
    out["rest"] = _THOUSANDTHS[thousandth]
    offsets = np.arange(len(time) + 1, dtype=np.int32) * _STAMP.itemsize
    return pa.StringArray.from_buffers(len(time), pa.py_buffer(offsets), pa.py_buffer(out))


def words(pool: list[str], code: NDArray[np.integer]) -> pa.Array:
    """Return pool[code] as text."""
    return pa.array(pool, pa.string()).take(pa.array(code))


class Lines:
    """A CSV file that grows by tables: no quotes, null is empty, "\\n" ends a line."""

    def __init__(self, path: Path, names: list[str], header: bool) -> None:
        """Open the file and, with a header, write its first line."""
        self.file = path.open("wb")
        self.names = names
        if header:
            self.file.write((",".join(names) + "\n").encode())

    def write(self, *columns: pa.Array | NDArray[np.integer]) -> None:
        """Append rows, given as one column a name."""
        table = pa.table([pa.array(column) for column in columns], names=self.names)
        csv.write_csv(
            table, self.file, csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65536)
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.file.close()
