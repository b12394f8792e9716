"""Find the columns of items and prices where no name says which they are."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.inspection.columns import Column
from rabbithole.inspection.fields import marks_buyers
from rabbithole.inspection.names import CODES, ORDERS, Role, squeezed
from rabbithole.inspection.roles import BY_VALUES, CAN_BE, SCORE_MARGIN, Choice, is_key, name_score

ID_WORDS = frozenset(["id", "ids", "sku", "code", "nr", "isbn", "ean", "gtin"])

NO_ITEMS = CODES - ID_WORDS | {
    "ad",
    "app",
    "area",
    "device",
    "group",
    "ip",
    "location",
    "page",
    "phone",
    "postal",
    "postcode",
    "warehouse",
}
"""Words that say of what other things ids are."""

MIN_ITEMS = 20
"""A log has more items than this, where no name says which column holds them."""


def item_by_values(columns: Sequence[Column]) -> Choice:
    """Return the column of items in a table without names: the one with the most different codes."""
    codes = [
        column
        for column in columns
        if CAN_BE["item"](column) and column.distinct >= MIN_ITEMS and is_key(column) and column.is_unspaced
    ]
    codes.sort(key=lambda column: -column.distinct)
    if not codes or (len(codes) > 1 and codes[0].distinct < (1 + SCORE_MARGIN) * codes[1].distinct):
        return Choice(None, tuple(codes), "no name says it" if codes else "")
    return Choice(codes[0], tuple(codes[1:]), BY_VALUES)


def item_by_ending(columns: Sequence[Column]) -> Choice:
    """Return the only column left whose name says that it holds ids, and which has many: `recipeId`."""
    known: tuple[Role, ...] = ("session", "visitor", "event", "category")
    ids = [
        column
        for column in columns
        if len(column.words) > 1
        and column.words[-1] in ID_WORDS
        and CAN_BE["item"](column)
        and is_key(column)
        and column.distinct >= MIN_ITEMS
        and NO_ITEMS.isdisjoint(column.words)
        and not marks_buyers(column)
        and squeezed("".join(column.words)) not in ORDERS
        and not any(name_score(role, column) > 0 for role in known)
    ]
    if len(ids) == 1:
        return Choice(ids[0], (), "no name says it; it is the only column of ids that is left")
    return Choice(None, tuple(ids), "one of these ids may be that of the items" if ids else "")


def cost_by_values(columns: Sequence[Column]) -> Choice:
    """Return the column of prices in a table without names: the only one whose numbers look like amounts."""
    prices = [column for column in columns if CAN_BE["cost"](column) and column.amounts > 0.99]
    return Choice(prices[0], (), BY_VALUES) if len(prices) == 1 else Choice()


LIST_SEPARATORS = (";", "|", ",")

MIN_LIST_SHARE = 0.01
"""Share of a column's values from which on lists in it are worth a word."""

MAX_NEW_PARTS = 0.7
"""The items of lists come again: of all parts, at most this share is different."""


def lists_of(item: Choice) -> tuple[str, str | None] | None:
    """Return the column of the items and what parts those in one cell, None if its cells hold no lists.

    For a JSON array, None parts them. Lists of different things, such as `shoes;A1;2`, are none.
    """
    column = item.column
    if column is None or not len(column.present):
        return None
    if pc.all(pc.match_substring_regex(column.present, r"^\[.*\]$")).as_py():
        return column.name, None
    for separator in LIST_SEPARATORS:
        lists = _cells_with(column, separator)
        if lists is None:
            continue
        split = pc.split_pattern(lists, separator)
        single = column.present.filter(pc.invert(pc.match_substring(column.present, separator)))
        first, second = (pc.utf8_trim_whitespace(pc.list_element(split, place)) for place in (0, 1))
        known = pc.is_in(second, value_set=pa.concat_arrays([single, first]).unique())
        return (column.name, separator) if pc.mean(known.cast("float64")).as_py() > 0.5 else None
    return None


def _cells_with(column: Column, separator: str) -> pa.Array | None:
    """Return the values that are lists, None if there are too few."""
    lists = column.present.filter(pc.match_substring(column.present, separator))
    if len(lists) < MIN_LIST_SHARE * len(column.present):
        return None
    parts = pc.list_flatten(pc.split_pattern(lists, separator))
    # A text with commas has blanks after them.
    texts = pc.any(pc.match_substring_regex(parts, r"^\s|\s$")).as_py()
    return None if texts or pc.count_distinct(parts).as_py() > MAX_NEW_PARTS * len(parts) else lists


def with_lists(choice: Choice) -> Choice:
    """Return a choice whose note says that the column, or the first candidate, holds lists in its cells."""
    column = choice.column or next(iter(choice.others), None)
    lists = None if column is None else _lists(column)
    return choice if lists is None else replace(choice, note="; ".join(filter(None, [choice.note, lists])))


def _lists(column: Column) -> str | None:
    """Return in words that values are lists such as `A1;B2`, None if they are none."""
    if not len(column.present):
        return None
    for separator in LIST_SEPARATORS:
        if (lists := _cells_with(column, separator)) is not None:
            share = len(lists) / len(column.present)
            shown = lists[0].as_py()[:40]
            return f"{share:.0%} of its values are lists such as {shown}, and each counts as one value"
    return None
