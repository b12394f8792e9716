"""Counts the values of the train windows in Spark tasks: by part, then by value."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.artifacts.data import Fields
from rabbithole.io.parts import read_part
from rabbithole.io.storage import Part
from rabbithole.sessions.session_task import HISTORY
from rabbithole.spark.shuffle import Sent, partition_of
from rabbithole.specs.data import WindowsSpec
from rabbithole.windows.fitting import VALUE_COUNT_SCHEMA, count_values
from rabbithole.windows.steps import step_columns


class VocabularyCounter:
    """Counts the values in the train windows of the part of sessions with an index.

    partitions: to which counts are sent, each to that of its value's hash.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        spec: WindowsSpec,
        fields: Fields,
        *,
        history: bool,
        partitions: int,
    ) -> None:
        self.parts = parts
        self.history = history
        self.spec = spec
        self.fields = fields
        self.partitions = partitions

    def __call__(self, index: int) -> Iterator[Sent]:
        """Yield rows of `VALUE_COUNT_SCHEMA`, for each batch of the part its own."""
        columns = ["split", "open", *step_columns(self.fields)]
        columns += [HISTORY] if self.history else []
        for batch in read_part(self.parts[index], columns, coded=self.fields.categorical):
            sessions = pa.Table.from_batches([batch])
            in_train = pc.equal(sessions["split"], "train")
            if not self.spec.keep_open:
                in_train = pc.and_(in_train, pc.invert(sessions["open"]))
            train = sessions.filter(in_train).combine_chunks()
            if len(train):
                counts = pa.Table.from_batches(count_values(train, self.spec, self.fields))
                values = pc.binary_join_element_wise(counts["field"], pc.coalesce(counts["value"], ""), " ")
                yield counts, partition_of(values, self.partitions)


def add_counts(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the sums of rows of `VALUE_COUNT_SCHEMA`, one row for each field and value."""
    sums = VALUE_COUNT_SCHEMA.empty_table()
    for rows in tables:
        sums = pa.concat_tables([sums, rows]).group_by(["field", "value"], use_threads=False)
        sums = sums.aggregate([(name, "sum") for name in ("count", "total", "squares")])
        sums = sums.rename_columns(VALUE_COUNT_SCHEMA.names)
    yield from sums.to_batches()
