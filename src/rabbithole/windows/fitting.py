"""Fits the encoder: counts of the values of the train windows make the vocabularies."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.artifacts.data import EncoderFile, Fields, NormaliserRecord
from rabbithole.errors import UserError
from rabbithole.specs.data import WindowsSpec
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import FIRST_VALUE, has_minimum_count, log_fields
from rabbithole.windows.steps import CALENDAR, last_steps, signed_log

VALUE_COUNT_SCHEMA = pa.schema(
    [("field", pa.string()), ("value", pa.string())]
    + [(name, pa.int64()) for name in ("count", "total", "squares")]
)
"""The count of a categorical field's value; or of a numeric field's numbers, with the sums of their signed
logarithms and of the squares; or of all steps, under the name `STEPS`."""

STEPS = ""
"""The name under which all steps are counted; no field has it."""

SUM_SCALE = 2**24
"""Numbers are summed as integers of this scale, so that the sum does not depend on the order."""


def count_values(sessions: pa.Table, spec: WindowsSpec, fields: Fields) -> Iterator[pa.RecordBatch]:
    """Yield rows of `VALUE_COUNT_SCHEMA`: how often each value occurs in the windows of sessions."""
    steps = last_steps(sessions, fields, spec.length, spec.timezone)
    yield _count_rows(STEPS, pa.nulls(1, pa.string()), count=pa.array([int(steps.offsets[-1])]))
    for name, values in steps.categorical.items():
        counted = pc.value_counts(values.drop_null())
        yield _count_rows(name, counted.field("values").cast(pa.string()), count=counted.field("counts"))
    for name, numbers in steps.numeric.items():
        logs = signed_log(numbers[~np.isnan(numbers)])
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


def selected_fields(spec: WindowsSpec, further: Fields) -> Fields:
    """Return the fields of a log that the spec selects; raises `UserError` for a field that it does not have.

    further: the log's further fields.
    """
    every = log_fields(further)
    if spec.fields is None:
        return every
    if unknown := [name for name in spec.fields if name not in every.names]:
        raise UserError(
            f"windows.fields: the log has no field {unknown[0]!r}; it has {', '.join(every.names)}."
        )
    return _subset(every, {*spec.fields})


def _subset(fields: Fields, names: Set[str]) -> Fields:
    return Fields(
        categorical=tuple(name for name in fields.categorical if name in names),
        numeric=tuple(name for name in fields.numeric if name in names),
    )


def fit_encoder(
    counts: pa.Table,
    spec: WindowsSpec,
    selected: Fields,
    category_roots: Mapping[str, str],
    *,
    history: int = 0,
) -> Encoder:
    """Return the encoder for rows of `VALUE_COUNT_SCHEMA`. The most frequent value has the first code.

    selected: the fields that were counted. Fields of which train holds no value, or the same value at every
    step, are left out. The event type always stays, as the names of the events. category_roots: the root
    above each category in the shop's category tree, empty without a tree; history: the events of earlier
    sessions that a session has at most. Raises `UserError` if no field is left.
    """
    sums = counts.group_by(["field", "value"]).aggregate(
        [("count", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    by_field = {
        name: sums.filter(pc.equal(sums["field"], name)).sort_by(
            [("count_sum", "descending"), ("value", "ascending")]
        )
        for name in (STEPS, *selected.names)
    }
    steps = by_field[STEPS]["count_sum"][0].as_py()
    useful = {name for name in selected.categorical if name == "event" or _has_values(by_field[name], steps)}
    useful |= {name for name in selected.numeric if _has_numbers(by_field[name], steps)}
    if not useful:
        raise UserError(
            f"Train holds at most one value of {', '.join(selected.names)}. Name other windows.fields."
        )
    fields = _subset(selected, useful)
    vocabularies: dict[str, list[Any]] = {}
    rare: dict[str, list[str]] = {}
    for name in fields.categorical:
        rows = by_field[name]
        if has_minimum_count(name):
            minimum = spec.minimum_counts.get(name, spec.minimum_item_count)
            frequent = pc.greater_equal(rows["count_sum"], minimum)
            rare[name] = sorted(rows.filter(pc.invert(frequent))["value"].to_pylist())
            rows = rows.filter(frequent)
        values = rows["value"].cast(pa.int32()) if name in CALENDAR else rows["value"]
        vocabularies[name] = values.to_pylist()
    return Encoder(
        EncoderFile(
            fields=fields,
            vocabularies=vocabularies,
            rare=rare,
            sizes={name: FIRST_VALUE + len(vocabularies[name]) for name in fields.categorical},
            roots=_root_codes(vocabularies.get("category", []), category_roots),
            numeric={name: _fit_normaliser(by_field[name]) for name in fields.numeric},
            length=spec.length,
            timezone=spec.timezone,
            history=history,
        )
    )


def _has_values(rows: pa.Table, steps: int) -> bool:
    """Return whether a categorical field differs between steps: in its value, or in whether there is one."""
    return len(rows) > 1 or (len(rows) == 1 and rows["count_sum"][0].as_py() < steps)


def _has_numbers(rows: pa.Table, steps: int) -> bool:
    """Return whether a numeric field differs between steps: in its number, or in whether there is one."""
    (row,) = rows.to_pylist()
    return row["count_sum"] > 0 and (row["count_sum"] < steps or _moments(row)[1] > 0)


def _root_codes(categories: Sequence[str], category_roots: Mapping[str, str]) -> list[int]:
    """Return each category's root, numbered from 1, 0 if the tree does not hold it; empty without roots."""
    roots = [category_roots.get(category, "") for category in categories]
    numbers = {root: number for number, root in enumerate(sorted({*roots} - {""}), 1)}
    return [numbers.get(root, 0) for root in roots] if numbers else []


def _moments(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return mean and variance of a field's logarithms; variance 0 if it is within the sums' rounding."""
    mean = row["total_sum"] / SUM_SCALE / row["count_sum"]
    variance = row["squares_sum"] / SUM_SCALE / row["count_sum"] - mean**2
    return mean, float(variance) if variance > (1 + 2 * abs(mean)) / SUM_SCALE else 0.0


def _fit_normaliser(rows: pa.Table) -> NormaliserRecord:
    """Return mean and deviation of a field's numbers, deviation 1 if all are equal."""
    (row,) = rows.to_pylist()
    mean, variance = _moments(row)
    return NormaliserRecord(mean=mean, deviation=float(np.sqrt(variance)) if variance else 1.0)
