"""As-of tables: look up the last value of each item at a time, for many (item, time) pairs at once."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.parts import map_values


@dataclass(frozen=True)
class AsOfTable:
    """Values by item and time, sorted by both, one value for each pair.

    items: the distinct items, sorted; times: the distinct times, sorted, int64 microseconds since 1970;
    keys: int64 [rows], index of the item * (number of times + 1) + index of the time, rising; values: [rows].
    """

    items: pa.Array
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    values: pa.Array

    @classmethod
    def build(cls, table: pa.Table) -> "AsOfTable":
        """Build from columns item (string), time (timestamp us), order (int64) and value.

        If an item has several values at one time, the one with the highest `order` is used.
        """
        table = table.combine_chunks()
        items = pc.unique(table["item"]).sort()
        codes = _codes(table["item"], items)
        row_times = _microseconds(table["time"])
        times = np.unique(row_times)
        keys = codes * (len(times) + 1) + np.searchsorted(times, row_times)
        order = np.lexsort([table["order"].to_numpy(), keys])
        keys = keys[order]
        last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
        values = table["value"].take(pa.array(order[last])).combine_chunks()
        return cls(items, times, keys[last], values)

    def updated(self, newer: "AsOfTable") -> "AsOfTable":
        """Return the values of both tables; `newer` wins where both have one for an item and time."""
        tables = [
            table.table().append_column("order", pa.array(np.full(len(table.keys), order)))
            for order, table in enumerate((self, newer))
        ]
        return AsOfTable.build(pa.concat_tables(tables))

    def lookup(self, items: pa.ChunkedArray, times: NDArray[np.int64], *, before: bool) -> pa.Array:
        """Return the last value of each item at or before a time (int64 microseconds), null if none.

        With `before`, only values strictly before the time count.
        """
        codes = _codes(items, self.items)
        ranks = np.searchsorted(self.times, times, side="left" if before else "right")
        span = len(self.times) + 1
        queries = codes * span + ranks
        # A search in rising order stays in the cache: three times faster, including the sort.
        order = np.argsort(queries)
        rows = np.empty(len(queries), np.int64)
        rows[order] = np.searchsorted(self.keys, queries[order], side="left") - 1
        known = (codes >= 0) & (rows >= 0)
        if len(self.keys):
            known &= self.keys[np.maximum(rows, 0)] // span == codes
        return self.values.take(pa.array(np.where(known, rows, 0), mask=~known))

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
