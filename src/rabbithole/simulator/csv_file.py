"""Write CSV files from columns. Arrow formats the lines: no row passes through Python."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from numpy.typing import NDArray

from rabbithole.simulator.chain import DAY
from rabbithole.simulator.shop import Ints

_CLOCK = np.array([f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}." for s in range(86_400)], "S10")
_MILLISECONDS = np.array([f"{ms:03}Z" for ms in range(1000)], "S4")
_TIME = np.dtype([("date", "S10"), ("clock", "S10"), ("milliseconds", "S4")])


def format_times(time: Ints) -> pa.Array:
    """Return times (milliseconds since 1970, UTC) as text such as 2014-04-07T10:51:09.277Z."""
    if not len(time):
        return pa.array([], pa.string())
    day, within_day = np.divmod(time, DAY)
    first = int(day.min())
    dates = np.array([str(np.datetime64(number, "D")) for number in range(first, int(day.max()) + 1)], "S10")
    text = np.empty(len(time), _TIME)
    text["date"] = dates[day - first]
    second, millisecond = np.divmod(within_day, 1000)
    text["clock"] = _CLOCK[second]
    text["milliseconds"] = _MILLISECONDS[millisecond]
    offsets = np.arange(len(time) + 1, dtype=np.int32) * _TIME.itemsize
    return pa.StringArray.from_buffers(len(time), pa.py_buffer(offsets), pa.py_buffer(text))


def take_names(names: list[str], code: NDArray[np.integer]) -> pa.Array:
    """Return names[code] as text."""
    return pa.array(names, pa.string()).take(pa.array(code))


class CsvFile(AbstractContextManager):
    """A CSV file that grows table by table. No quotes; null is empty; "\\n" ends a line."""

    def __init__(self, path: Path, names: list[str], header: bool) -> None:
        """Open the file; write the names as its first line if `header`."""
        self.file = path.open("wb")
        self.names = names
        if header:
            self.file.write((",".join(names) + "\n").encode())

    def write(self, *columns: pa.Array | NDArray[np.integer]) -> None:
        """Append rows, one column for each name."""
        table = pa.table([pa.array(column) for column in columns], names=self.names)
        csv.write_csv(
            table, self.file, csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65536)
        )

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.file.close()
