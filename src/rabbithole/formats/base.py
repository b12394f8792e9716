"""A raw format: its columns, roles, parser, side tables and simulator, and how it is found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rabbithole.errors import UserError
from rabbithole.registry import load_module

if TYPE_CHECKING:
    import pyarrow as pa

    from rabbithole.formats.columns import RawColumns
    from rabbithole.formats.side_tables import SideTables


@dataclass(frozen=True)
class FileRole:
    """One kind of file of a raw log: comma-separated lines without quotes.

    published: the file names under which the log is published; columns: the fields of a line; header:
    whether the first line names the columns; parse: turns text columns into typed ones; required: whether a
    log must have such a file; events: whether each line is an event.

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


@dataclass(frozen=True)
class RawFormat:
    """A raw format.

    roles: in reading order; at equal times, events of an earlier role come first; has_visitors: whether
    `session_id` identifies a visitor; has_carts: whether the log contains add-to-cart events; defaults:
    settings of a data set of this format, nested like its section of the config; simulator: the module of
    `rabbithole.simulator` that writes such logs, None if there is none; simulated_session: what a simulated
    session is; side_tables: builds side tables from the rows of the roles that are not events, by role.
    """

    name: str
    roles: tuple[FileRole, ...]
    has_visitors: bool
    has_carts: bool
    defaults: Mapping[str, Any]
    simulator: str | None = None
    simulated_session: Literal["session", "visitor"] = "session"
    side_tables: Callable[[Mapping[str, pa.Table]], SideTables] | None = None

    @property
    def event_roles(self) -> tuple[str, ...]:
        """Return the names of the roles whose lines are events."""
        return tuple(role.name for role in self.roles if role.events)


SHARED = {"__init__", "base", "columns", "registry", "side_tables"}
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
