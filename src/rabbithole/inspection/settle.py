"""Decide what each of several tables of a log holds, which of them are read, and what their fields are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from rabbithole.inspection.columns import Column
from rabbithole.inspection.fields import LeftOut, propose
from rabbithole.inspection.names import ORDERS, QUANTITIES, squeezed
from rabbithole.inspection.proposal import TableProposal
from rabbithole.inspection.roles import STANDS_STILL, Choice
from rabbithole.specs.table import PURCHASE


def settle(tables: list[TableProposal]) -> tuple[list[TableProposal], list[TableProposal]]:
    """Decide what each of several tables holds. Returns those of events, and those that are left out."""
    for table in tables:
        _share_keys(table, tables)
    timed = [table for table in tables if table.has_time or table.roles.time.others] or tables
    events = [table for table in timed if table.has_key or len(tables) == 1] or timed
    other = [table for table in tables if table not in events]
    wordless = [
        table for table in events if table.roles.event.column is None and not table.roles.event.others
    ]
    if len(events) > 1:
        for table in wordless:
            if table.content is None and _looks_like_purchases(table):
                table.content = "transaction"
        if any(table.has_purchases for table in events):
            for table in wordless:
                table.content = table.content or "view"
    if len(events) == 1 and events[0].content == "addtocart":
        # Without views or purchases beside it, a file of a cart may be anything.
        events[0].content = None
    if len(events) == 1 and wordless and events[0].content is None and _numbers_orders(events[0]):
        events[0].content = "transaction"
    if all(table.content == PURCHASE and table in wordless for table in events):
        for table in events:
            table.content = "order"
    for table in events:
        if table.content in (PURCHASE, "order"):
            # All items of an order are bought at one time; the views before it have times of their own.
            note = table.roles.time.note.replace(STANDS_STILL, "").strip("; ")
            table.roles.time = replace(table.roles.time, note=note)
    without = not any(table.has_purchases for table in events)
    for table in events:
        table.lacks_purchases = without and table.roles.event.column is not None
        _name(table, events)
        bought = None
        if table.roles.event.column is not None:
            names = table.words.purchase
            column = table.roles.event.column.values
            bought = np.isin(column.fill_null("").to_numpy(zero_copy_only=False), list(names))
        alone = table.content == PURCHASE and len(events) > 1
        table.fields, table.left_out = propose(table.columns, table.roles, bought, alone, table.decimal)
        if table.path is not None:
            table.fields = [field for field in table.fields if not _is_level(field.column, table)]
        for proposed in list(table.fields):
            if array := _other_array(proposed.column, table):
                table.fields.remove(proposed)
                reason = f"{array} may tell what came later; if it holds events, `explode` it in a table more"
                table.left_out.append(LeftOut(proposed.column, reason))
    return events, other


def _share_keys(table: TableProposal, tables: Sequence[TableProposal]) -> None:
    """Take the session or visitor of another table, where it is missing and a column has its name and values.

    A table of purchases may name each session once, which alone looks like the number of a row.
    """
    missing = [role for role in ("session", "visitor") if getattr(table.roles, role).column is None]
    for role in missing:
        for other in tables:
            known: Column | None = getattr(other.roles, role).column
            for column in table.columns:
                if known is None or column.name != known.name or column.name in table.roles.used:
                    continue
                shared = pc.mean(pc.is_in(column.present, known.present.unique()).cast("float64")).as_py()
                if (shared or 0.0) > 0.2:
                    setattr(table.roles, role, Choice(column))


def _looks_like_purchases(table: TableProposal) -> bool:
    names = {squeezed("".join(column.words)) for column in table.columns}
    return bool(names & (QUANTITIES | ORDERS))


def _numbers_orders(table: TableProposal) -> bool:
    """Return whether each line has the number of an order and a quantity, and none is only looked at."""
    filled = {squeezed("".join(column.words)) for column in table.columns if column.filled > 0.99}
    return bool(filled & QUANTITIES) and bool(filled & ORDERS)


def _other_array(column: Column, table: TableProposal) -> str | None:
    """Return the array that a column is from, if another one holds the events; None if it is from none."""
    explode, time = table.sample.explode, table.roles.time.column
    if explode is None or time is None or not time.name.startswith(f"{explode}."):
        return None
    others = (path for path in table.sample.arrays if not path.startswith(explode))
    return next((path for path in others if column.name.startswith(f"{path}.0")), None)


def _is_level(column: Column, table: TableProposal) -> bool:
    """Return whether a column repeats a level of the category path."""
    category = table.roles.category.column
    assert category is not None
    return column.distinct <= category.distinct and squeezed(column.key) in (
        "category1",
        "category2",
        "category3",
    )


def _name(table: TableProposal, tables: Sequence[TableProposal]) -> None:
    if len(tables) == 1:
        table.name = "events"
    elif table.content is not None and sum(other.content == table.content for other in tables) == 1:
        table.name = {"view": "views", "addtocart": "carts"}.get(table.content, "purchases")
    elif table.content is None and all(other.content for other in tables if other is not table):
        table.name = "events"
    else:
        table.name = f"events_{list(tables).index(table) + 1}"
