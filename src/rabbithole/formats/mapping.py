"""Turn the columns of a shop's own table into those of events, as the settings map them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.amounts import Decimal, parse_amounts
from rabbithole.formats.columns import FIRST_YEAR, LAST_YEAR, MAX_COST, NULL, TIME, RawColumns
from rabbithole.formats.times import END, FIRST, SECONDS, Times, parse_clock, parse_text, parse_typed, since
from rabbithole.specs.table import TableSpec
from rabbithole.specs.table_columns import CategoryColumn, EventColumn, level_name

MAX_EVENT_LENGTH = 100
"""Characters of a kind of event: longer ones are not kinds but texts."""

JOINED_BY = ":"
"""Between the parts of a session that several columns name."""

NO_NUMBER = pa.array(["", "null", "none", "na", "n/a", "nan", "\\n", "-"])
"""How tables write that there is no number, in lower case."""

MAX_OFFSET_SECONDS = 366 * 86_400


def map_columns(table: TableSpec, key: str, columns: RawColumns) -> dict[str, pa.Array]:
    """Return the columns of events that a table has; levels of the category are not among them.

    key: `session` or `visitor`, by which events are grouped: it becomes `session_id`.
    """
    columns.missing = table.missing
    session = None if table.session is None else joined(columns, table.session)
    visitor = None if table.visitor is None else text_of(columns, [table.visitor])
    keys = {"session": session, "visitor": visitor}
    of_key = label(table.session or [] if key == "session" else [str(table.visitor)])
    group = keys[key]
    assert group is not None, "the settings refuse a table without the key of the sessions"
    columns.reject(group.is_null(), f"{of_key} is empty")
    mapped = {
        "session_id": group,
        "visitor": visitor if visitor is not None else pa.nulls(columns.rows, pa.string()),
        "timestamp": times(columns, table),
        "event": events(columns, table.event),
    }
    if table.item is not None:
        mapped["item"] = text_of(columns, table.item)
    if table.category is not None:
        mapped["category"] = text_of(columns, table.category.column)
    if table.cost is not None:
        mapped["cost"] = cost(columns, table.cost, table.decimal)
    for name, field in table.fields.items():
        if field.kind == "number":
            mapped[name] = numbers(columns, field.column, table.decimal)
        else:
            mapped[name] = text_of(columns, field.column)
    if table.event.leave_out:
        assert table.event.column is not None
        encoded = text_of(columns, table.event.column).dictionary_encode()
        left_out = [table.event.leaves_out(word) for word in encoded.dictionary.to_pylist()]
        columns.leave_out(pc.fill_null(pa.array(left_out, pa.bool_()).take(encoded.indices), False))
    return mapped


def text_of(columns: RawColumns, names: Sequence[str]) -> pa.Array:
    """Return the first of some columns that is not empty, as text; null where all are."""
    if len(names) == 1:
        return as_coded_text(columns[names[0]])
    return pc.coalesce(*(as_text(columns[name]) for name in names))


def as_coded_text(values: pa.Array) -> pa.Array:
    """Return values as `as_text` does; whole numbers, and dictionaries without an empty text, stay coded."""
    if pa.types.is_integer(values.type):
        values = values.dictionary_encode()
    if not pa.types.is_dictionary(values.type):
        return as_text(values)
    words = as_text(values.dictionary)
    return as_text(values) if words.null_count else pa.DictionaryArray.from_arrays(values.indices, words)


def as_text(values: pa.Array) -> pa.Array:
    """Return values of any flat type as text, null where they are missing or empty.

    Whole numbers that are stored as floats are written without a fraction: some libraries store them so where
    one is missing.
    """
    kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        whole = pc.and_(pc.equal(pc.round(values), values), pc.less(pc.abs(values), 2.0**53))
        integers = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(integers, values.cast(pa.string()))
    if not pa.types.is_string(kind):
        values = values.cast(pa.string())
    lengths = pc.binary_length(values)
    if pc.min(lengths).as_py() == 0:
        return pc.if_else(pc.equal(lengths, 0), NULL, values)
    return values


def label(names: Sequence[str]) -> str:
    """Return the names of columns as reasons show them; a column without a name is shown by its number."""
    return " and ".join(f"column {name}" if name.isdecimal() else name for name in names)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type holds strings, in whatever form."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def joined(columns: RawColumns, names: Sequence[str], mark: str = JOINED_BY) -> pa.Array:
    """Return what several columns name together, with a mark between them, null where one is empty."""
    if len(names) == 1:
        return as_coded_text(columns[names[0]])
    return pc.binary_join_element_wise(*(as_text(columns[name]) for name in names), mark)


def events(columns: RawColumns, event: EventColumn) -> pa.Array:
    """Return the kind of each event: the log's words as the settings translate them."""
    if event.column is None:
        assert event.name is not None
        return columns.constant(event.name)
    encoded = text_of(columns, event.column).dictionary_encode()
    words = [event.kind_of(word) for word in encoded.dictionary.to_pylist()]
    translated = pa.array(words, pa.string())
    long = pa.array([len(word) > MAX_EVENT_LENGTH for word in words], pa.bool_())
    odd = pa.array([not word.isprintable() for word in words], pa.bool_())
    name = label(event.column)
    if event.empty is None:
        columns.reject(encoded.is_null(), f"{name} is empty")
    columns.reject(long.take(encoded.indices), f"{name} has over {MAX_EVENT_LENGTH} characters")
    columns.reject(odd.take(encoded.indices), f"{name} holds a control character")
    kinds = translated.take(encoded.indices)
    return kinds if event.empty is None else kinds.fill_null(event.empty)


def times(columns: RawColumns, table: TableSpec) -> pa.Array:
    """Return the times of events, and reject rows without one or outside the valid years."""
    time = table.time
    several = len(time.column) > 1 or time.date is not None
    if time.joined:
        values = joined(columns, time.column, " ")
    else:
        values = as_text(text_of(columns, time.column)) if several else columns[time.column[0]]
    name = label([*([time.date] if time.date is not None else []), *time.column])
    if time.date is not None:
        values = pc.binary_join_element_wise(as_text(columns[time.date]), values, " ")
    if is_text(values.type) or time.origin is not None:
        values = as_text(values)
    if time.origin is not None and "%" not in time.unit:
        parsed = since(numbers(columns, time.column, table.decimal), time.unit, time.origin, time.zone)
    elif is_text(values.type):
        parsed = parse_text(values, time.unit, time.zone, time.origin)
    else:
        parsed = parse_typed(values, time.unit, time.zone)
    microseconds = parsed.microseconds
    if time.offset is not None:
        microseconds = microseconds + offsets(columns, table)
    if values.null_count:
        columns.reject(values.is_null(), f"{name} is empty")
    if not parsed.valid.all():
        columns.reject(pa.array(~parsed.valid), f"{name} is not a time")
    outside = (parsed.seconds < FIRST) | (parsed.seconds >= END)
    if outside.any():
        columns.reject(pa.array(outside), out_of_years(name, parsed, table))
    return pa.array(microseconds).cast(TIME)


def out_of_years(name: str, parsed: Times, table: TableSpec) -> pa.Array:
    """Return for each row the reason that its year is not valid, with the unit that would make it so."""
    years = pa.array(np.floor(1970 + parsed.seconds / 31_556_952).astype(np.int64)).cast(pa.string())
    reasons = pc.binary_join_element_wise(
        f"{name} is in the year ", years, f", not {FIRST_YEAR} to {LAST_YEAR}", ""
    )
    units = pa.array(parsed.units, pa.string())
    hints = pc.binary_join_element_wise(": is its unit ", units, f", not {table.time.unit}?", "")
    return pc.binary_join_element_wise(reasons, pc.if_else(pc.equal(units, ""), "", hints), "")


def offsets(columns: RawColumns, table: TableSpec) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the times since the beginning of the day in microseconds; reject rows without one."""
    offset, unit = table.time.offset, table.time.offset_unit
    assert offset is not None
    if unit == "clock":
        values, second = parse_clock(as_text(columns[offset])), 1.0
    else:
        values, second = numbers(columns, [offset], table.decimal), SECONDS[unit]
    limit = MAX_OFFSET_SECONDS / second
    sane = pc.fill_null(pc.and_(pc.greater_equal(values, 0), pc.less(values, limit)), False)
    columns.reject(pc.invert(sane), f"{label([offset])} is no time since the beginning of the day")
    scaled = pc.multiply(pc.if_else(sane, values, 0.0), 1e6 * second)
    return np.asarray(scaled.to_numpy(zero_copy_only=False), np.float64).round().astype(np.int64)


def cost(columns: RawColumns, names: Sequence[str], decimal: Decimal) -> pa.Array:
    """Return prices as float64, null where there is none; reject those that are absurd.

    A negative price, such as a refund's, becomes null; the event stays, as it did happen.
    """
    values = numbers(columns, names, decimal)
    columns.reject(pc.greater(values, MAX_COST), f"{label(names)} is over {MAX_COST:,.0f}")
    if (pc.min(values).as_py() or 0.0) < 0.0:
        return pc.if_else(pc.less(values, 0.0), pa.scalar(None, pa.float64()), values)
    return values


def numbers(columns: RawColumns, names: Sequence[str], decimal: Decimal) -> pa.Array:
    """Return numbers as float64, null where there is none; reject other texts."""
    values = columns[names[0]] if len(names) == 1 else text_of(columns, names)
    if (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_decimal(values.type)
    ):
        floats = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(floats), pa.scalar(None, pa.float64()), floats)
    texts = as_text(values)
    floats = _plain_numbers(texts, decimal)
    if floats is not None:
        return floats
    texts = pc.utf8_trim_whitespace(texts)
    absent = pc.or_(texts.is_null(), pc.is_in(pc.utf8_lower(texts), value_set=NO_NUMBER))
    floats = parse_amounts(pc.if_else(absent, NULL, texts), decimal)
    finite = pc.fill_null(pc.is_finite(floats), False)
    columns.reject(pc.and_not(pc.invert(finite), absent), f"{label(names)} is not a number")
    return floats


def _plain_numbers(texts: pa.Array, decimal: Decimal) -> pa.Array | None:
    """Return texts as float64 if all are numbers without anything else, which is fast; else None."""
    if decimal == ",":
        if pc.any(pc.match_substring(texts, ".")).as_py():
            return None
        texts = pc.replace_substring(texts, ",", ".")
    try:
        floats = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    return None if pc.all(pc.is_finite(floats)).as_py() is False else floats


def category_levels(category: pa.DictionaryArray, path: CategoryColumn) -> dict[str, pa.Array]:
    """Return the first levels of a category path, each as the path down to it; null where it is shorter.

    category and levels: dictionaries of strings.
    """
    split = [value.split(path.separator) for value in category.dictionary.to_pylist()]
    levels = {}
    for number in range(1, path.levels + 1):
        paths = [path.separator.join(parts[:number]) if len(parts) >= number else None for parts in split]
        level = pa.array(paths, pa.string()).dictionary_encode()
        levels[level_name(number)] = pa.DictionaryArray.from_arrays(
            level.indices.take(category.indices), level.dictionary
        )
    return levels
