"""The encoder: vocabularies and normalisers, fitted on train, that turn steps into codes and numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.atomic import read_json, write_json
from rabbithole.io.parts import map_values, read_part
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, NUMERIC, RARE, UNSEEN
from rabbithole.windows.steps import CALENDAR, COLUMNS, LAST_WEEK, Steps, first_steps, last_steps

NAME = "encoder.json"


@dataclass(frozen=True)
class Normaliser:
    """Mean and deviation of log1p of a number on train."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Encoder:
    """What train taught about the fields that models see; one it does not hold is missing at every step.

    `vocabularies`: each categorical field's values in the order of their codes, from FIRST_VALUE on;
    `rare`: items seen in train fewer than `minimum_item_count` times; `numeric`: normalisers by field;
    `roots`: for each category code, from FIRST_VALUE on, the root above it in the shop's category tree,
    counted from 1, 0 where the tree does not say; empty where there is no tree.
    """

    vocabularies: Mapping[str, Sequence[Any]]
    rare: Sequence[str]
    numeric: Mapping[str, Normaliser]
    length: int
    minimum_item_count: int
    timezone: str
    roots: Sequence[int] = ()
    _sets: dict[str, pa.Array] = field(default_factory=dict, compare=False, repr=False)

    @property
    def sizes(self) -> dict[str, int]:
        """Return how many codes each categorical field has, the special ones included."""
        return {name: FIRST_VALUE + len(self.vocabularies.get(name, ())) for name in CATEGORICAL}

    def last(self, sessions: pa.Table) -> pa.Table:
        """Return the windows of sessions: the nine fields of each one's last `length` steps, as lists."""
        return self._encode(last_steps(sessions, self.length, self.timezone))

    def first(self, sessions: pa.Table) -> pa.Table:
        """Return the same of each session's first `length` steps."""
        return self._encode(first_steps(sessions, self.length, self.timezone))

    def _encode(self, steps: Steps) -> pa.Table:
        offsets = pa.array(steps.offsets.astype(np.int32))
        flat: dict[str, pa.Array] = {name: self._codes(name, steps.fields[name]) for name in CATEGORICAL}
        flat |= {
            name: self._numbers(name, values)
            for name, values in zip(NUMERIC, (steps.dwell, steps.cost), strict=True)
        }
        return pa.table({name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()})

    def _codes(self, name: str, values: pa.Array) -> pa.Array:
        if name not in self.vocabularies:
            return pa.array(np.full(len(values), MISSING, np.int32))
        if name in CALENDAR:
            # Never missing, and few: a table by value is faster than a search.
            return pa.array(self._table(name)[values.to_numpy()])
        return pc.fill_null(map_values(partial(self._known, name), values), MISSING)

    def _known(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of strings, int32; null stays null."""
        places = pc.index_in(values, value_set=self._set(name))
        codes = pc.fill_null(pc.add(places, pa.scalar(FIRST_VALUE, pa.int32())), UNSEEN)
        if name == "item" and len(self.rare):
            codes = pc.if_else(
                pc.is_in(values, value_set=self._set("rare")), pa.scalar(RARE, pa.int32()), codes
            )
        return pc.if_else(values.is_valid(), codes, pa.scalar(None, pa.int32()))

    def _table(self, name: str) -> NDArray[np.int32]:
        """Return the codes of a calendar field by value, int32 [LAST_WEEK + 1]."""
        codes = np.full(LAST_WEEK + 1, UNSEEN, np.int32)
        values = np.array(self.vocabularies[name], np.int64)
        codes[values] = FIRST_VALUE + np.arange(len(values))
        return codes

    def _set(self, name: str) -> pa.Array:
        if name not in self._sets:
            values = self.rare if name == "rare" else self.vocabularies[name]
            self._sets[name] = pa.array(values, pa.string())
        return self._sets[name]

    def _numbers(self, name: str, values: NDArray[np.float64]) -> pa.Array:
        if name not in self.numeric:
            return pa.nulls(len(values), pa.float32())
        norm = self.numeric[name]
        normal = (np.log1p(values) - norm.mean) / norm.deviation
        return pa.array(normal.astype(np.float32), mask=np.isnan(values))

    def save(self, folder: Path) -> None:
        """Write encoder.json into a folder."""
        write_json(
            folder / NAME,
            {
                "vocabularies": {name: list(values) for name, values in self.vocabularies.items()},
                "rare": list(self.rare),
                "sizes": self.sizes,
                "roots": list(self.roots),
                "numeric": {
                    name: {"transform": "log1p", "mean": norm.mean, "deviation": norm.deviation}
                    for name, norm in self.numeric.items()
                },
                "length": self.length,
                "minimum_item_count": self.minimum_item_count,
                "timezone": self.timezone,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read encoder.json from a folder of windows or of a trained model."""
        told = read_json(folder / NAME)
        return cls(
            told["vocabularies"],
            told["rare"],
            {name: Normaliser(one["mean"], one["deviation"]) for name, one in told["numeric"].items()},
            told["length"],
            told["minimum_item_count"],
            told["timezone"],
            told["roots"],
        )


COUNTS = pa.schema(
    [("field", pa.string()), ("value", pa.string())]
    + [(name, pa.int64()) for name in ("count", "total", "squares")]
)
"""What a task returns: a row for each value of a categorical field, and one for each numeric field."""

SCALE = 2**24
"""Numbers are added up as integers of this scale: their sum is the same in whatever order."""


class VocabularyCounter:
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


def fit_encoder(
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
