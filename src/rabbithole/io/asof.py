"""What was known of an item at a time: a table of (item, time, value), asked for many pairs at once."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.parts import map_values


@dataclass(frozen=True)
class AsOfTable:
    """A table of values by item and time, sorted by both, one value each.

    `items`: the distinct items, sorted; `times`: the distinct times, sorted, int64 microseconds;
    `keys`: int64 [rows], item's index * (number of times + 1) + time's index, rising; `values`: [rows].
    """

    items: pa.Array
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    values: pa.Array

    @classmethod
    def build(cls, table: pa.Table) -> "AsOfTable":
        """Build from columns item (string), time (timestamp us), order (int64) and value.

        Of several values for an item at one time the last by `order` counts.
        """
        table = table.combine_chunks()
        items = pc.unique(table["item"]).sort()
        codes = _codes(table["item"], items)
        moments = _microseconds(table["time"])
        times = np.unique(moments)
        keys = codes * (len(times) + 1) + np.searchsorted(times, moments)
        order = np.lexsort([table["order"].to_numpy(), keys])
        keys = keys[order]
        last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
        values = table["value"].take(pa.array(order[last])).combine_chunks()
        return cls(items, times, keys[last], values)

    def lookup(self, items: pa.ChunkedArray, times: NDArray[np.int64], *, before: bool) -> pa.Array:
        """Return for each item the last value known at its time (int64 microseconds), null if there is none.

        With `before`, a value from the very time doesn't count: only what was known strictly before it.
        """
        codes = _codes(items, self.items)
        ranks = np.searchsorted(self.times, times, side="left" if before else "right")
        wanted = codes * (len(self.times) + 1) + ranks
        # Searched for in rising order, which keeps to the cache: three times faster, the sort included.
        order = np.argsort(wanted)
        place = np.empty(len(wanted), np.int64)
        place[order] = np.searchsorted(self.keys, wanted[order], side="left") - 1
        span = len(self.times) + 1
        found = (codes >= 0) & (place >= 0)
        if len(self.keys):
            found &= self.keys[np.maximum(place, 0)] // span == codes
        return self.values.take(pa.array(np.where(found, place, 0), mask=~found))

    def table(self) -> pa.Table:
        """Return the table: item (string), time (timestamp us UTC), value."""
        span = len(self.times) + 1
        times = pa.array(self.times[self.keys % span], pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        return pa.table(
            {"item": self.items.take(pa.array(self.keys // span)), "time": times, "value": self.values}
        )


def _codes(items: pa.ChunkedArray, known: pa.Array) -> NDArray[np.int64]:
    codes = map_values(lambda values: pc.index_in(values, value_set=known), items)
    return pc.fill_null(codes, -1).to_numpy().astype(np.int64)


def _microseconds(times: pa.ChunkedArray) -> NDArray[np.int64]:
    return times.cast(pa.int64()).to_numpy()
