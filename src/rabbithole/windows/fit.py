"""Fitting the encoder: values counted and numbers summed over the windows of train, part by part."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.sources.parts import read_part
from rabbithole.windows.encoder import Encoder, Normaliser
from rabbithole.windows.fields import CATEGORICAL, NUMERIC
from rabbithole.windows.steps import CALENDAR, COLUMNS, last_steps

COUNTS = pa.schema(
    [("field", pa.string()), ("value", pa.string())]
    + [(name, pa.int64()) for name in ("count", "total", "squares")]
)
"""What a task returns: a row for each value of a categorical field, and one for each numeric field."""

SCALE = 2**24
"""Numbers are added up as integers of this scale: their sum is the same in whatever order."""


class Count:
    """From a part's index to counts of the values in its train windows."""

    def __init__(
        self, parts: Sequence[Path], *, length: int, timezone: str, keep_open: bool, fields: Sequence[str]
    ) -> None:
        self.parts = parts
        self.length = length
        self.timezone = timezone
        self.keep_open = keep_open
        self.fields = fields

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Yield rows of `COUNTS`, several for one value where the part is read in several pieces."""
        for batch in read_part(self.parts[index], ["split", "open", *COLUMNS]):
            sessions = pa.Table.from_batches([batch])
            chosen = pc.equal(sessions["split"], "train")
            if not self.keep_open:
                chosen = pc.and_(chosen, pc.invert(sessions["open"]))
            train = sessions.filter(chosen).combine_chunks()
            if len(train):
                yield from self._counts(train)

    def _counts(self, train: pa.Table) -> Iterator[pa.RecordBatch]:
        steps = last_steps(train, self.length, self.timezone)
        for name in (name for name in CATEGORICAL if name in self.fields):
            counted = pc.value_counts(steps.fields[name].drop_null())
            values, counts = counted.field("values"), counted.field("counts")
            yield _rows(name, values.cast(pa.string()), count=counts)
        for name, numbers in zip(NUMERIC, (steps.dwell, steps.cost), strict=True):
            if name not in self.fields:
                continue
            known = np.log1p(numbers[~np.isnan(numbers)])
            yield _rows(
                name,
                pa.nulls(1, pa.string()),
                count=pa.array([len(known)]),
                total=pa.array([int(np.rint(known * SCALE).astype(np.int64).sum())]),
                squares=pa.array([int(np.rint(known**2 * SCALE).astype(np.int64).sum())]),
            )


def _rows(field: str, values: pa.Array, **sums: pa.Array) -> pa.RecordBatch:
    rows = len(values)
    columns = {name: sums.get(name, pa.nulls(rows, pa.int64())) for name in ("count", "total", "squares")}
    return pa.record_batch({"field": pa.array([field] * rows, pa.string()), "value": values, **columns})


def fit(
    counts: pa.Table,
    *,
    length: int,
    minimum_item_count: int,
    timezone: str,
    fields: Sequence[str],
    tree: Mapping[str, str],
) -> Encoder:
    """Return the encoder that the counts make: vocabularies begin with the most frequent value.

    tree: the root above each category that has one.
    """
    sums = counts.group_by(["field", "value"]).aggregate(
        [("count", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    vocabularies: dict[str, list[Any]] = {}
    rare: list[str] = []
    for name in (name for name in CATEGORICAL if name in fields):
        rows = sums.filter(pc.equal(sums["field"], name)).sort_by(
            [("count_sum", "descending"), ("value", "ascending")]
        )
        if name == "item":
            enough = pc.greater_equal(rows["count_sum"], minimum_item_count)
            rare = sorted(rows.filter(pc.invert(enough))["value"].to_pylist())
            rows = rows.filter(enough)
        values = rows["value"].cast(pa.int32()) if name in CALENDAR else rows["value"]
        vocabularies[name] = values.to_pylist()
    numeric = {
        name: _normaliser(sums.filter(pc.equal(sums["field"], name))) for name in NUMERIC if name in fields
    }
    above = [tree.get(category, "") for category in vocabularies.get("category", ())]
    numbers = {root: number for number, root in enumerate(sorted({*above} - {""}), 1)}
    roots = [numbers.get(root, 0) for root in above] if numbers else []
    return Encoder(vocabularies, rare, numeric, length, minimum_item_count, timezone, roots)


def _normaliser(sums: pa.Table) -> Normaliser:
    """Return mean and deviation; 0 and 1 where train holds no number, or always the same."""
    rows = sums.to_pylist()
    if not rows or rows[0]["count_sum"] == 0:
        return Normaliser(0.0, 1.0)
    (row,) = rows
    mean = row["total_sum"] / SCALE / row["count_sum"]
    variance = row["squares_sum"] / SCALE / row["count_sum"] - mean**2
    return Normaliser(mean, float(np.sqrt(variance)) if variance > 1e-9 else 1.0)
