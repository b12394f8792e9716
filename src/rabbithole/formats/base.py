"""A raw format: its columns, roles, parser, side tables and simulator, and how it is found by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rabbithole.errors import UserError
from rabbithole.registry import load_module
from rabbithole.specs.table import TableSpec, all_field_kinds, category_path, ordered
from rabbithole.specs.table_columns import CategoryColumn, FieldKind

if TYPE_CHECKING:
    import pyarrow as pa

    from rabbithole.formats.columns import RawColumns
    from rabbithole.specs.data import TableLog


Holding = Literal["session", "visitor", "item", "category", "cost"]

HistoryName = Literal["category", "cost"]


@dataclass(frozen=True)
class FileRole:
    """One kind of file of a raw log: comma-separated lines without quotes, or a table.

    published: the file names under which the log is published (of a table: patterns); columns: the fields of
    a line (of a table: those that its events are made of, see `TableSpec.source_columns`); header:
    whether the first line names the columns; parse: turns text columns into typed ones; required: whether a
    log must have such a file; events: whether each line is an event; table: how the file of a table is
    written, whose columns are in the file itself, None for the formats whose columns are fixed; essential:
    the columns without which a line is no event, as groups of which one column is enough; lenient: whether a
    file may lack all others, which are then missing values.

    The parser of an event role returns `session_id`, `timestamp`, `event` and `item`, and may return
    `category`, `cost` and `rest` (a further raw field in which two lines may differ).
    """

    name: str
    published: tuple[str, ...]
    columns: tuple[str, ...]
    header: bool
    parse: Callable[[RawColumns], Mapping[str, pa.Array]]
    required: bool = False
    events: bool = False
    table: TableSpec | None = None
    essential: tuple[tuple[str, ...], ...] = ()
    lenient: bool = False

    def may_lack(self, column: str, missing: Collection[str]) -> bool:
        """Return whether a file can be read without a column. missing: all columns that it lacks."""
        groups = (group for group in self.essential if column in group)
        return self.lenient and not any(set(group) <= set(missing) for group in groups)


@dataclass(frozen=True)
class SideTableRoles:
    """The roles of a log that describe its items.

    histories: category and cost of items over time, `split` into the rows of each (columns item, time, order
    and value; the highest order wins); tree: the categories and their parents.
    """

    histories: str
    split: Callable[[pa.Table], Mapping[HistoryName, pa.Table]]
    tree: str


@dataclass(frozen=True)
class RawFormat:
    """A raw format.

    roles: in reading order; at equal times, events of an earlier role come first; has_visitors: whether
    `session_id` identifies a visitor; has_carts: whether the log contains add-to-cart events; defaults:
    settings of a data set of this format, nested like its section of the config; simulator: the module of
    `rabbithole.simulator` that writes such logs, None if there is none; simulated_session: what a simulated
    session is; simulated_gap_minutes: the pause that separates a simulated visitor's sessions, None if each
    has one; side_tables: how the roles that are not events describe the items.

    tables: for a log of tables, the preset's section `table` (empty for the format `table`), None for a
    format whose roles are fixed. The roles of a log of tables follow from its settings: see `log_format`.
    fields: its further columns with their kind; visitor_column: whether the log names a visitor beside the
    session that `session_id` is; category_path: how the levels of its categories stand in their path;
    holds: what it has columns for, as in the events manifest.
    """

    name: str
    roles: tuple[FileRole, ...]
    has_visitors: bool
    has_carts: bool
    defaults: Mapping[str, Any]
    simulator: str | None = None
    simulated_session: Literal["session", "visitor"] = "session"
    simulated_gap_minutes: float | None = None
    side_tables: SideTableRoles | None = None
    tables: Mapping[str, Any] | None = None
    fields: Mapping[str, FieldKind] = field(default_factory=dict)
    visitor_column: bool = False
    category_path: CategoryColumn | None = None
    holds: tuple[Holding, ...] = ("session", "item", "category", "cost")

    @property
    def event_roles(self) -> tuple[str, ...]:
        """Return the names of the roles whose lines are events."""
        return tuple(role.name for role in self.roles if role.events)

    def leniently(self) -> RawFormat:
        """Return the format for a log that a model scores: its events may lack columns."""
        return replace(self, roles=tuple(replace(role, lenient=role.events) for role in self.roles))


SHARED = {"__init__", "amounts", "base", "columns", "mapping", "side_tables", "times"}
"""Modules of this folder that define no format."""


def format_names() -> list[str]:
    """Return the names of all formats, sorted."""
    return sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - SHARED)


def raw_format(name: str) -> RawFormat:
    """Return the format of a name; raise `UserError` for an unknown one."""
    if name not in format_names():
        raise UserError(f"Unknown format {name!r}: use one of {', '.join(format_names())}.")
    format: RawFormat = load_module("format", name).FORMAT
    return format


def log_format(name: str, table: TableLog | None) -> RawFormat:
    """Return the format of a log. table: the tables of a log of tables, from which its roles follow."""
    format = raw_format(name)
    if table is None:
        return format
    tables = [table.tables[role] for role in ordered(table.tables)]
    known: dict[Holding, bool] = {
        "session": any(table.session is not None for table in tables),
        "visitor": any(table.visitor is not None for table in tables),
        "item": any(table.item is not None for table in tables),
        "category": any(table.category is not None for table in tables),
        "cost": any(table.cost is not None for table in tables),
    }
    return replace(
        format,
        roles=tuple(_table_role(role, table) for role in ordered(table.tables)),
        has_visitors=known["visitor"],
        visitor_column=table.key == "session" and known["visitor"],
        has_carts=any(table.may_have_carts for table in tables),
        fields=all_field_kinds(tables),
        category_path=category_path(tables),
        holds=tuple(name for name, holds in known.items() if holds),
    )


def table_format(
    name: str, tables: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> RawFormat:
    """Return a format whose logs are tables. tables: the preset's section `table`."""
    return RawFormat(
        name, roles=(), has_visitors=False, has_carts=False, defaults=defaults or {}, tables=tables or {}
    )


def _table_role(name: str, log: TableLog) -> FileRole:
    table = log.tables[name]
    patterns = [table.files] if isinstance(table.files, str) else table.files or ["*"]
    return FileRole(
        name,
        published=tuple(patterns),
        columns=table.source_columns,
        header=table.header is True,
        parse=partial(_map_columns, table, log.key),
        required=True,
        events=True,
        table=table,
        essential=table.essential_columns,
    )


def _map_columns(table: TableSpec, key: str, columns: RawColumns) -> Mapping[str, pa.Array]:
    # Imported late: the workflow imports this module while it plans a run, and needs no Arrow for that.
    from rabbithole.formats.mapping import map_columns

    return map_columns(table, key, columns)
