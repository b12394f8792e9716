"""Find the columns of items and prices where no name says which they are."""

from collections.abc import Sequence

from rabbithole.inspection.columns import Column
from rabbithole.inspection.names import Role
from rabbithole.inspection.roles import BY_VALUES, CAN_BE, SCORE_MARGIN, Choice, is_key, name_score

ID_WORDS = frozenset(["id", "ids", "sku", "code", "nr", "isbn", "ean", "gtin"])

MIN_ITEMS = 20
"""A log has more items than this, where no name says which column holds them."""


def item_by_values(columns: Sequence[Column]) -> Choice:
    """Return the column of items in a table without names: the one with the most different codes."""
    codes = [
        column
        for column in columns
        if CAN_BE["item"](column) and column.distinct >= MIN_ITEMS and is_key(column)
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
        if column.words
        and column.words[-1] in ID_WORDS
        and CAN_BE["item"](column)
        and is_key(column)
        and column.distinct >= MIN_ITEMS
        and not any(name_score(role, column) > 0 for role in known)
    ]
    if len(ids) == 1:
        return Choice(ids[0], (), "no name says it; it is the only column of ids that is left")
    return Choice(None, tuple(ids), "one of these ids may be that of the items" if ids else "")


def cost_by_values(columns: Sequence[Column]) -> Choice:
    """Return the column of prices in a table without names: the only one whose numbers look like amounts."""
    prices = [column for column in columns if CAN_BE["cost"](column) and column.amounts > 0.99]
    return Choice(prices[0], (), BY_VALUES) if len(prices) == 1 else Choice()
