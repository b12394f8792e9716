"""Counts of Spark tasks, which add up to the counts of a step."""

from collections.abc import Iterable
from functools import reduce
from typing import Any, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict


class Counts(BaseModel):
    """Counts of a table, of a task or of all tasks. A field that is not set counts nothing.

    `+` adds numbers, joins lists, and does both key by key in records and dicts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __add__(self, other: Self) -> Self:
        return self.total((self, other))

    @classmethod
    def total(cls, counts: Iterable[Self]) -> Self:
        """Return the sum of counts."""
        values = [record.model_dump() for record in counts]
        return cls.model_validate(reduce(_add, values, cls().model_dump()))

    @classmethod
    def total_of_reports(cls, reports: pa.Table) -> Self:
        """Return the sum of the counts that tasks returned with `to_report`."""
        return cls.total(map(cls.model_validate_json, reports["facts"].to_pylist()))

    def to_report(self) -> pa.RecordBatch:
        """Return the counts as a row of `rabbithole.spark.shuffle.REPORT_SCHEMA`."""
        return pa.record_batch({"facts": [self.model_dump_json()]})


def _add(first: Any, second: Any) -> Any:
    if not isinstance(first, dict):
        return first + second
    both = {name: _add(value, second[name]) for name, value in first.items() if name in second}
    return first | second | both
