"""A session's own events, without those of its history."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.sessions.session_task import HISTORY


def own_lists(table: pa.Table, column: str) -> pa.ListArray:
    """Return a column of lists without the values of histories."""
    lists = table[column].combine_chunks()
    if HISTORY not in table.column_names:
        return lists
    inside, own = inside_history(table, lists)
    offsets = np.append(0, np.cumsum(own)).astype(np.int32)
    values = lists.flatten().filter(pa.array(~inside))
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def inside_history(table: pa.Table, lists: pa.ListArray) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return whether each value of lists is of a history, and the number of own values of each list."""
    lengths, history = lists.value_lengths().to_numpy(), table[HISTORY].to_numpy()
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return place < np.repeat(history, lengths), lengths - history
