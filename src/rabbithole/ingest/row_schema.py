"""The columns of the rows that are read from a log, before they are sorted and written as events."""

import pyarrow as pa

from rabbithole.formats.base import RawFormat
from rabbithole.formats.columns import TIME
from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE
from rabbithole.specs.table_columns import level_name

RAW_EVENT_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("timestamp", TIME),
        ("event", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("cost", pa.float64()),
        ("rest", pa.string()),
        ("position", pa.int64()),
    ]
)
"""Rows read from an event role. rest: a further raw field in which two lines may differ; position: the
place of the line in the log, rising from line to line and from file to file."""

FIELD_TYPES = {"category": pa.string(), "number": pa.float64()}


def raw_event_schema(format: RawFormat) -> pa.Schema:
    """Return the schema of rows of events: `RAW_EVENT_SCHEMA`, and what a log of tables has besides.

    There `rest` is a hash of the columns that are not mapped, and words are dictionaries, so that the shuffle
    moves each of a block once. Levels of the category follow from it later.
    """
    if format.tables is None:
        return RAW_EVENT_SCHEMA
    columns = {field.name: field.type for field in RAW_EVENT_SCHEMA} | {"rest": pa.uint64()}
    columns |= dict.fromkeys(("session_id", *DICTIONARY_COLUMNS), DICTIONARY_TYPE)
    if format.visitor_column:
        columns["visitor"] = DICTIONARY_TYPE
    path = format.category_path
    levels = [level_name(number) for number in range(1, 1 + path.levels)] if path is not None else []
    kinds = FIELD_TYPES | {"category": DICTIONARY_TYPE}
    fields = {name: kinds[kind] for name, kind in format.fields.items() if name not in levels}
    return pa.schema(columns | fields)
