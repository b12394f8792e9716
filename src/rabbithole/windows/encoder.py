"""The encoder: vocabularies and normalisers, fitted on train, that turn steps into codes and numbers.

Spark tasks count the values of the train windows (`VocabularyCounter`). `fit_encoder` makes vocabularies and
normalisers from the counts, and `Encoder` applies them to sessions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile, NormaliserRecord
from rabbithole.io.parts import map_values, read_part
from rabbithole.specs.data import WindowsSpec
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, NUMERIC, RARE, UNSEEN

CALENDAR = ("hour", "weekday", "month", "week")
LAST_WEEK = 53
"""The largest value of a calendar field."""

QUARTER_HOUR = 15 * 60 * 1_000_000
"""Microseconds. Every UTC offset in use is a multiple of a quarter of an hour."""

LISTS = ["timestamp", "event", "item", "category", "cost"]
"""The list columns of a session from which its steps are made."""


@dataclass(frozen=True)
class Steps:
    """Steps of sessions, one session after the other.

    offsets: int64 [sessions + 1]; categorical: by field, [steps], in the order of `CATEGORICAL`: event, item
    and category are strings or dictionaries of strings (null: missing), calendar fields are int32;
    numeric: by field, float64 [steps]: dwell is the seconds since the previous event, NaN at a session's
    first event, cost is NaN where it is unknown.
    """

    offsets: NDArray[np.int64]
    categorical: dict[str, pa.Array]
    numeric: dict[str, NDArray[np.float64]]


def last_steps(sessions: pa.Table, length: int, timezone: str) -> Steps:
    """Return each session's last `length` steps."""
    ends = _ends(sessions)
    return _steps(sessions, np.maximum(ends - length, np.append(0, ends[:-1])), ends, timezone)


def first_steps(sessions: pa.Table, length: int, timezone: str) -> Steps:
    """Return each session's first `length` steps."""
    ends = _ends(sessions)
    begins = np.append(0, ends[:-1])
    return _steps(sessions, begins, np.minimum(begins + length, ends), timezone)


def _ends(sessions: pa.Table) -> NDArray[np.int64]:
    """Return the position after each session's last event, among all events."""
    return np.cumsum(pc.list_value_length(sessions["timestamp"]).to_numpy()).astype(np.int64)


def _steps(sessions: pa.Table, begins: NDArray[np.int64], ends: NDArray[np.int64], timezone: str) -> Steps:
    flat = {name: pc.list_flatten(sessions[name]).combine_chunks() for name in LISTS}
    times = flat.pop("timestamp").cast(pa.int64()).to_numpy()
    # The previous event counts even if it is outside the window.
    dwell = np.diff(times, prepend=times[:1]) / 1e6
    dwell[np.append(0, _ends(sessions)[:-1])] = np.nan
    offsets = np.append(0, np.cumsum(ends - begins)).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], np.diff(offsets))
    categorical = {name: values.take(pa.array(rows)) for name, values in flat.items()}
    cost = categorical.pop("cost").to_numpy(zero_copy_only=False).astype(np.float64)
    return Steps(offsets, categorical | calendar(times[rows], timezone), {"dwell": dwell[rows], "cost": cost})


def calendar(times: NDArray[np.int64], timezone: str) -> dict[str, pa.Array]:
    """Return hour (0 to 23), weekday (1 to 7, Monday first), month and ISO week of times, int32 [n] each.

    times: int64 microseconds since 1970 in UTC; the fields are those of the clock in `timezone`.
    """
    quarters = times // QUARTER_HOUR
    first = int(quarters.min()) if len(quarters) else 0
    count = int(quarters.max(initial=first)) - first + 1
    local = pd.DatetimeIndex((first + np.arange(count)) * QUARTER_HOUR * 1000, tz="UTC").tz_convert(timezone)
    values = (local.hour, local.weekday + 1, local.month, local.isocalendar().week)
    return {
        name: pa.array(np.asarray(value, np.int32)[quarters - first])
        for name, value in zip(CALENDAR, values, strict=True)
    }


ENCODER_FILE = "encoder.json"
"""The encoder's file in a folder of windows or of a trained model."""

VALUE_COUNT_SCHEMA = pa.schema(
    [("field", pa.string()), ("value", pa.string())]
    + [(name, pa.int64()) for name in ("count", "total", "squares")]
)
"""The count of a categorical field's value; or of a numeric field, with the sums of log1p and its square."""

SUM_SCALE = 2**24
"""Numbers are summed as integers of this scale, so that the sum does not depend on the order."""


class Encoder:
    """Turns steps into codes and normalised numbers.

    A field that was not fitted, because the models must not see it, is missing at every step.
    """

    def __init__(self, fitted: EncoderFile) -> None:
        self.fitted = fitted
        self._calendar_codes: dict[str, NDArray[np.int32]] = {}
        self._value_sets = {"rare": pa.array(fitted.rare, pa.string())}
        for name, values in fitted.vocabularies.items():
            if name in CALENDAR:
                codes = np.full(LAST_WEEK + 1, UNSEEN, np.int32)
                codes[np.array(values, np.int64)] = FIRST_VALUE + np.arange(len(values))
                self._calendar_codes[name] = codes
            else:
                self._value_sets[name] = pa.array(values, pa.string())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the encoder of a folder of windows or of a trained model."""
        return cls(EncoderFile.read(folder / ENCODER_FILE))

    def save(self, folder: Path) -> None:
        """Write the encoder into a folder."""
        self.fitted.write(folder / ENCODER_FILE)

    def encode_last(self, sessions: pa.Table) -> pa.Table:
        """Return each session's last `length` steps: a list column per field."""
        return self._encode(last_steps(sessions, self.fitted.length, self.fitted.timezone))

    def encode_first(self, sessions: pa.Table) -> pa.Table:
        """Return each session's first `length` steps: a list column per field."""
        return self._encode(first_steps(sessions, self.fitted.length, self.fitted.timezone))

    def _encode(self, steps: Steps) -> pa.Table:
        columns = {name: self._codes(name, values) for name, values in steps.categorical.items()}
        columns |= {name: self._numbers(name, values) for name, values in steps.numeric.items()}
        offsets = pa.array(steps.offsets.astype(np.int32))
        return pa.table({name: pa.ListArray.from_arrays(offsets, values) for name, values in columns.items()})

    def _codes(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of a categorical field, int32 [steps]."""
        if name not in self.fitted.vocabularies:
            return pa.array(np.full(len(values), MISSING, np.int32))
        if name in CALENDAR:
            # Calendar values are few and never missing: indexing a table is faster than a search.
            return pa.array(self._calendar_codes[name][values.to_numpy()])
        return pc.fill_null(map_values(lambda strings: self._string_codes(name, strings), values), MISSING)

    def _string_codes(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of strings, int32; null stays null."""
        indices = pc.index_in(values, value_set=self._value_sets[name])
        codes = pc.fill_null(pc.add(indices, pa.scalar(FIRST_VALUE, pa.int32())), UNSEEN)
        if name == "item" and self.fitted.rare:
            rare = pc.is_in(values, value_set=self._value_sets["rare"])
            codes = pc.if_else(rare, pa.scalar(RARE, pa.int32()), codes)
        return pc.if_else(values.is_valid(), codes, pa.scalar(None, pa.int32()))

    def _numbers(self, name: str, values: NDArray[np.float64]) -> pa.Array:
        """Return a normalised numeric field, float32 [steps]; NaN becomes null."""
        if name not in self.fitted.numeric:
            return pa.nulls(len(values), pa.float32())
        normaliser = self.fitted.numeric[name]
        normal = (np.log1p(values) - normaliser.mean) / normaliser.deviation
        return pa.array(normal.astype(np.float32), mask=np.isnan(values))


class VocabularyCounter:
    """Counts the values in the train windows of the part of sessions with an index."""

    def __init__(self, parts: Sequence[Path], spec: WindowsSpec) -> None:
        self.parts = parts
        self.spec = spec

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Yield rows of `VALUE_COUNT_SCHEMA`, for each batch of the part its own."""
        for batch in read_part(self.parts[index], ["split", "open", *LISTS]):
            sessions = pa.Table.from_batches([batch])
            in_train = pc.equal(sessions["split"], "train")
            if not self.spec.keep_open:
                in_train = pc.and_(in_train, pc.invert(sessions["open"]))
            train = sessions.filter(in_train).combine_chunks()
            if len(train):
                yield from count_values(train, self.spec)


def count_values(sessions: pa.Table, spec: WindowsSpec) -> Iterator[pa.RecordBatch]:
    """Yield rows of `VALUE_COUNT_SCHEMA`: how often each value occurs in the windows of sessions."""
    steps = last_steps(sessions, spec.length, spec.timezone)
    for name, values in steps.categorical.items():
        if name in spec.fields:
            counted = pc.value_counts(values.drop_null())
            yield _count_rows(name, counted.field("values").cast(pa.string()), count=counted.field("counts"))
    for name, numbers in steps.numeric.items():
        if name in spec.fields:
            logs = np.log1p(numbers[~np.isnan(numbers)])
            yield _count_rows(
                name,
                pa.nulls(1, pa.string()),
                count=pa.array([len(logs)]),
                total=pa.array([int(np.rint(logs * SUM_SCALE).astype(np.int64).sum())]),
                squares=pa.array([int(np.rint(logs**2 * SUM_SCALE).astype(np.int64).sum())]),
            )


def _count_rows(field: str, values: pa.Array, **counts: pa.Array) -> pa.RecordBatch:
    rows = len(values)
    columns = {name: counts.get(name, pa.nulls(rows, pa.int64())) for name in ("count", "total", "squares")}
    return pa.record_batch({"field": pa.array([field] * rows, pa.string()), "value": values, **columns})


def fit_encoder(counts: pa.Table, spec: WindowsSpec, category_roots: Mapping[str, str]) -> Encoder:
    """Return the encoder for rows of `VALUE_COUNT_SCHEMA`. The most frequent value has the first code.

    category_roots: the root above each category in the shop's category tree, empty without a tree.
    """
    sums = counts.group_by(["field", "value"]).aggregate(
        [("count", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    vocabularies: dict[str, list[Any]] = {}
    rare: list[str] = []
    for name in (name for name in CATEGORICAL if name in spec.fields):
        rows = sums.filter(pc.equal(sums["field"], name)).sort_by(
            [("count_sum", "descending"), ("value", "ascending")]
        )
        if name == "item":
            frequent = pc.greater_equal(rows["count_sum"], spec.minimum_item_count)
            rare = sorted(rows.filter(pc.invert(frequent))["value"].to_pylist())
            rows = rows.filter(frequent)
        values = rows["value"].cast(pa.int32()) if name in CALENDAR else rows["value"]
        vocabularies[name] = values.to_pylist()
    return Encoder(
        EncoderFile(
            vocabularies=vocabularies,
            rare=rare,
            sizes={name: FIRST_VALUE + len(vocabularies.get(name, ())) for name in CATEGORICAL},
            roots=_root_codes(vocabularies.get("category", []), category_roots),
            numeric={
                name: _fit_normaliser(sums.filter(pc.equal(sums["field"], name)))
                for name in NUMERIC
                if name in spec.fields
            },
            length=spec.length,
            minimum_item_count=spec.minimum_item_count,
            timezone=spec.timezone,
        )
    )


def _root_codes(categories: Sequence[str], category_roots: Mapping[str, str]) -> list[int]:
    """Return each category's root, numbered from 1, 0 if the tree does not hold it; empty without roots."""
    roots = [category_roots.get(category, "") for category in categories]
    numbers = {root: number for number, root in enumerate(sorted({*roots} - {""}), 1)}
    return [numbers.get(root, 0) for root in roots] if numbers else []


def _fit_normaliser(sums: pa.Table) -> NormaliserRecord:
    """Return mean and deviation; 0 and 1 if train holds no number, deviation 1 if all numbers are equal."""
    rows = sums.to_pylist()
    if not rows or rows[0]["count_sum"] == 0:
        return NormaliserRecord(mean=0.0, deviation=1.0)
    (row,) = rows
    mean = row["total_sum"] / SUM_SCALE / row["count_sum"]
    variance = row["squares_sum"] / SUM_SCALE / row["count_sum"] - mean**2
    return NormaliserRecord(mean=mean, deviation=float(np.sqrt(variance)) if variance > 1e-9 else 1.0)
