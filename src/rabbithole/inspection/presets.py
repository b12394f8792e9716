"""Recognise the logs that have a format of their own by their columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.base import RawFormat, format_names, raw_format
from rabbithole.inspection.columns import Column
from rabbithole.inspection.names import squeezed
from rabbithole.inspection.proposal import TableProposal
from rabbithole.inspection.times import guess_time

REES46 = frozenset(
    [
        "event_time",
        "event_type",
        "product_id",
        "category_id",
        "category_code",
        "brand",
        "price",
        "user_id",
        "user_session",
    ]
)
RETAILROCKET = frozenset(["timestamp", "visitorid", "event", "itemid", "transactionid"])
DIGINETICA_VIEWS = frozenset(["sessionId", "userId", "itemId", "timeframe", "eventdate"])
DIGINETICA_PURCHASES = frozenset(["sessionId", "userId", "timeframe", "eventdate", "ordernumber", "itemId"])
GA4 = frozenset(["event_timestamp", "event_name", "user_pseudo_id"])
OTTO = frozenset(["session", "events.aid", "events.ts", "events.type"])

COLUMNS: Mapping[str, tuple[frozenset[str], ...]] = {
    "rees46": (REES46,),
    "retailrocket": (RETAILROCKET,),
    "diginetica": (DIGINETICA_VIEWS, DIGINETICA_PURCHASES),
}
"""The columns of formats whose tables have these and no others."""

SNOWPLOW_COLUMNS = 131
"""Fields of a line of Snowplow's enriched events, which has no header."""

TAOBAO_WORDS = frozenset(["pv", "buy", "cart", "fav"])

ISO_UTC = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"
DIGITS = r"^\d+$"
YOOCHOOSE_CATEGORY = r"^(S|\d{1,10})$"

Test = Callable[[TableProposal], bool]

Holds = Literal["view", "transaction"] | None
"""What a recognised table holds, where a format has several."""


def _named(*sets: frozenset[str]) -> Test:
    """Return a test for tables whose columns are those of one of some sets, and no others."""

    def fits(table: TableProposal) -> bool:
        header = table.layout.header or table.layout.kind != "csv"
        return header and {column.name for column in table.own_columns} in sets

    return fits


def _contains(required: frozenset[str], without: frozenset[str] = frozenset()) -> Test:
    """Return a test for tables that have some columns besides others, and do not have some."""

    def fits(table: TableProposal) -> bool:
        names = {column.name for column in table.own_columns}
        return names >= required and not names & without

    return fits


def _is_taobao(table: TableProposal) -> bool:
    columns = table.own_columns
    return (
        _headless(table, 5)
        and columns[3].counts.keys() <= TAOBAO_WORDS
        and _all(columns[:3], DIGITS)
        and _is_seconds(columns[4])
    )


def _is_seconds(column: Column) -> bool:
    # A whole log has a few lines from wrong clocks.
    guess = guess_time(column.present)
    return guess is not None and guess.unit == "s"


def _is_ga4(table: TableProposal) -> bool:
    names = {column.name for column in table.own_columns}
    return names >= GA4 and any(name.startswith("event_params.") for name in names)


def _is_otto(table: TableProposal) -> bool:
    return table.layout.kind == "json" and {column.name for column in table.own_columns} == OTTO


def _is_snowplow(table: TableProposal) -> bool:
    return table.layout.separator == "\t" and _headless(table, SNOWPLOW_COLUMNS)


def _is_clicks(table: TableProposal) -> bool:
    return (
        _headless(table, 4)
        and _begins_as_yoochoose(table)
        and _all(table.own_columns[3:], YOOCHOOSE_CATEGORY)
    )


def _is_buys(table: TableProposal) -> bool:
    return _headless(table, 5) and _begins_as_yoochoose(table) and _all(table.own_columns[3:], DIGITS)


def _begins_as_yoochoose(table: TableProposal) -> bool:
    return (
        _all(table.own_columns[:1], DIGITS)
        and _all(table.own_columns[1:2], ISO_UTC)
        and _all(table.own_columns[2:3], DIGITS)
    )


def _headless(table: TableProposal, columns: int) -> bool:
    return table.layout.kind == "csv" and not table.layout.header and len(table.own_columns) == columns


def _all(columns: Sequence[Column], pattern: str) -> bool:
    """Return whether nearly all values match."""
    for column in columns:
        matching = pc.match_substring_regex(column.present, pattern).cast(pa.float64())
        if (pc.mean(matching).as_py() or 0) * column.filled < 0.99:
            return False
    return True


TESTS: Mapping[str, tuple[tuple[Holds, Test], ...]] = {
    "rees46": ((None, _named(REES46)),),
    "retailrocket": ((None, _named(RETAILROCKET)),),
    "diginetica": (("view", _named(DIGINETICA_VIEWS)), ("transaction", _named(DIGINETICA_PURCHASES))),
    "taobao": ((None, _is_taobao),),
    "ga4": ((None, _is_ga4),),
    "otto": ((None, _is_otto),),
    "snowplow": ((None, _is_snowplow),),
    "yoochoose": (("view", _is_clicks), ("transaction", _is_buys)),
}
"""How the tables of each format are recognised, and what each holds."""

SISTERS: Mapping[str, tuple[tuple[Holds, Test], ...]] = {
    "diginetica": (
        ("view", _contains(DIGINETICA_VIEWS, frozenset(["ordernumber"]))),
        ("transaction", _contains(DIGINETICA_PURCHASES)),
    )
}
"""How a table of a format is recognised beside another one of it: it may have further columns."""


@dataclass(frozen=True)
class Preset:
    """A recognised format. tables: each of its tables that was found, by the format's name for it."""

    format: RawFormat
    tables: Mapping[str, TableProposal]


def recognise(tables: Sequence[TableProposal]) -> Preset | None:
    """Return the format whose tables these are, None if there is none. Other tables may be among them."""
    for name, tests in TESTS.items():
        if name not in format_names():
            continue
        format = raw_format(name)
        by_name: dict[str, TableProposal] = {}
        _find(format, tests, tables, by_name)
        if by_name:
            _find(format, SISTERS.get(name, ()), tables, by_name)
            return Preset(format, by_name)
    return None


def resembled(tables: Sequence[TableProposal]) -> str | None:
    """Return the format whose columns a table has in another spelling, such as EVENT_TIME, None if none."""
    spelled = [{squeezed(column.name) for column in table.own_columns} for table in tables]
    for name, sets in COLUMNS.items():
        if any({squeezed(column) for column in columns} in spelled for columns in sets):
            return name
    return None


def _find(
    format: RawFormat,
    tests: Sequence[tuple[Holds, Test]],
    tables: Sequence[TableProposal],
    by_name: dict[str, TableProposal],
) -> None:
    """Add the tables that fit, by the format's name for each."""
    for holds, fits in tests:
        name = _table_name(format, holds)
        for table in tables:
            if fits(table) and _is_written_alike(table, format, name):
                by_name.setdefault(name, table)


def _is_written_alike(table: TableProposal, format: RawFormat, name: str) -> bool:
    """Return whether a table has the separator and encoding that the format takes for granted."""
    if table.layout.kind != "csv":
        return True
    known = {} if format.tables is None else format.tables[name]
    separator = known.get("separator", ",")
    return (
        table.layout.separator == separator
        and not table.layout.skip_lines
        and table.layout.encoding == "utf-8"
        and table.decimal == "."
    )


def _table_name(format: RawFormat, holds: Holds) -> str:
    """Return the format's name of a table that holds views or purchases."""
    if format.tables is None:
        roles = [role.name for role in format.roles if role.events]
        return roles[-1] if holds == "transaction" else roles[0]
    for name, table in format.tables.items():
        event = table.get("event")
        constant = event if isinstance(event, str) else (event or {}).get("name")
        if len(format.tables) == 1 or constant == holds:
            return name
    raise ValueError(f"format {format.name} has no table of {holds}")
