"""Read a sample as the step `events` would: what it rejects, what the log holds, what only ends sessions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.base import FileRole
from rabbithole.formats.columns import NULL, RawColumns
from rabbithole.formats.mapping import map_columns
from rabbithole.ingest.json_lines import cell_paths, follow_cell
from rabbithole.inspection.keys import Keyed
from rabbithole.inspection.proposal import TableProposal
from rabbithole.inspection.sample import Sample
from rabbithole.specs.table import PURCHASE, TableSpec


@dataclass(frozen=True)
class Mapped:
    """A sample as events.

    keys: string [rows]; seconds: float64 [rows] since 1970, both null in rows that are rejected or left out;
    bought: bool [rows]; events: how often each kind of event occurs; rejected: how many rows each reason
    rejects.
    """

    keys: pa.Array
    seconds: pa.Array
    bought: NDArray[np.bool_]
    events: Mapping[str, int]
    rejected: Mapping[str, int]


class _Columns(Mapping[str, pa.Array]):
    """The columns of a sample, and paths into cells that hold JSON; missing ones are empty."""

    def __init__(self, columns: Mapping[str, pa.Array], rows: int) -> None:
        self.columns = columns
        self.rows = rows

    def __getitem__(self, name: str) -> pa.Array:
        if name in self.columns:
            return self.columns[name]
        for root, parts in cell_paths(name):
            if root in self.columns:
                cells = self.columns[root].to_pylist()
                return pa.array([follow_cell(cell, parts) for cell in cells], pa.string())
        return pa.nulls(self.rows, pa.string())

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def map_table(sample: Sample, table: TableSpec, key: str) -> Mapped:
    """Return the events of a table. key: `session` or `visitor`."""
    columns = dict(sample.columns)
    if isinstance(table.header, list):
        # The format names the columns of files without header.
        columns = dict(zip(table.header, sample.columns.values(), strict=False))
    raw = RawColumns(_Columns(columns, sample.rows))
    return _mapped(raw, map_columns(table, key, raw))


def map_role(sample: Sample, role: FileRole) -> Mapped:
    """Return the events of a file of a format whose columns are fixed."""
    texts = (values.fill_null("") for values in sample.columns.values())
    # Columns from the names of folders come last.
    raw = RawColumns(dict(zip(role.columns, texts, strict=False)))
    return _mapped(raw, role.parse(raw))


def _mapped(raw: RawColumns, events: Mapping[str, pa.Array]) -> Mapped:
    unused = raw.rejected()
    if raw.kept is not None:
        unused |= ~raw.kept.to_numpy(zero_copy_only=False)
    names = events["event"].to_numpy(zero_copy_only=False)
    microseconds = events["timestamp"].cast(pa.int64()).cast(pa.float64(), safe=False)
    micro = microseconds.to_numpy(zero_copy_only=False) / 1e6
    return Mapped(
        keys=pc.if_else(pa.array(unused), NULL, events["session_id"]),
        seconds=pa.array(micro, mask=unused | np.isnan(micro)),
        bought=(names == PURCHASE) & ~unused,
        events=dict(Counter(names[~unused].tolist()).most_common()),
        rejected=dict(Counter(raw.reasons.drop_null().to_pylist()).most_common()),
    )


def all_events(mapped: Sequence[Mapped]) -> dict[str, int]:
    """Return how often each kind of event occurs in some tables, the most frequent first."""
    total: Counter[str] = Counter()
    for table in mapped:
        total.update(table.events)
    return dict(total.most_common())


MIN_WORD_COUNT = 20
"""A word that occurs less often may be last by chance."""

LAST_SHARE = 0.98
"""Share of a word's events that must be the last of their session. A sample cuts few sessions short."""

MOST_ALONE, MOST_BUYERS = 0.5, 0.5
"""Of a word's events, at most so many may be alone in their session, or in one with a purchase: what follows
a purchase is never seen by the models."""


def ending_words(table: TableProposal, mapped: Mapped, gap: float | None) -> list[str]:
    """Return the words of a table that only end sessions, sorted.

    If the end is only written for those who did not buy, such a word gives it away: windows stop before
    the first purchase, so a buyer's never holds it. gap: seconds of a pause that ends a session, or None.
    """
    column = table.roles.event.column
    if column is None:
        return []
    keyed = Keyed.by(mapped.keys, mapped.seconds, table.sample.block)
    if len(keyed.order) == 0:
        return []
    words = column.values.fill_null("").to_numpy(zero_copy_only=False)[keyed.order]
    first = keyed.starts(gap)
    last = np.append(first[1:], True)
    session = np.cumsum(first) - 1
    bought = mapped.bought[keyed.order]
    buyer = np.isin(session, session[bought])
    endings = []
    for word in {*column.counts} - {*table.words.purchase}:
        own = words == word
        if (
            own.sum() >= MIN_WORD_COUNT
            and last[own].mean() >= LAST_SHARE
            and first[own].mean() <= MOST_ALONE
            and buyer[own].mean() <= MOST_BUYERS
        ):
            endings.append(word)
    return sorted(endings)
