"""Find the column that says what happened, or two: one that says it where the other is empty."""

from collections.abc import Sequence

import pyarrow.compute as pc

from rabbithole.inspection.columns import Column
from rabbithole.inspection.roles import BY_VALUES, CAN_BE, EXACT, Choice, choose, name_score
from rabbithole.inspection.words import has_purchase, known_words

MIN_REST_SHARE = 0.99
"""A second column must say so large a share of what the first one leaves open."""


def choose_event(columns: Sequence[Column]) -> tuple[Choice, Column | None]:
    """Return the column with the kind of event, and the one that says it where the first is empty, or None.

    The first one's values are those of both.
    """
    choice = _by_name_or_words(columns)
    column = choice.column
    if column is None:
        return choice, None
    rest: Column | None = None
    if not has_purchase(column.counts):
        # Such as `event_type` with page views and product events, of which `product_action` says more.
        worded = [
            other
            for other in columns
            if other is not column and CAN_BE["event"](other) and has_purchase(other.counts)
        ]
        if len(worded) == 1:
            column, rest = worded[0], column
    if rest is None and column.filled < MIN_REST_SHARE:
        named = [other for other in columns if other is not column and other.filled > column.filled]
        rest = choose("event", named).column
    if rest is None or not _fills(column, rest):
        return choice, None
    both = Column(column.name, pc.coalesce(column.values, rest.values))
    return Choice(both, (), f"where it is empty, {rest.name} says what happened"), rest


def _fills(column: Column, rest: Column) -> bool:
    """Return whether a column is filled in nearly all rows in which another one is empty."""
    empty = rest.values.filter(column.values.is_null())
    return len(empty) > 0 and empty.null_count <= (1 - MIN_REST_SHARE) * len(empty)


def _by_name_or_words(columns: Sequence[Column]) -> Choice:
    """Return the column with the kind of event, by its name or by words that are known."""

    def bonus(column: Column) -> float:
        return 1.0 if known_words(column.counts) else 0.0

    choice = choose("event", columns, bonus=bonus)
    if (
        choice.column is not None
        and not bonus(choice.column)
        and name_score("event", choice.column) < EXACT - 0.9
    ):
        return Choice(None, (choice.column,), "none of its words is known")
    if choice.column is not None:
        return choice
    worded = [column for column in columns if CAN_BE["event"](column) and known_words(column.counts)]
    if len(worded) == 1:
        return Choice(worded[0], choice.others, BY_VALUES)
    return choice if choice.others or not worded else Choice(None, tuple(worded), "their words are known")
