"""Find purchases where no column says what happened: a column that is filled in them alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.inspection.columns import Column, pairs
from rabbithole.inspection.fields import marks_buyers
from rabbithole.inspection.names import ORDERS, squeezed
from rabbithole.inspection.roles import Choice, Roles
from rabbithole.inspection.words import Words
from rabbithole.specs.table import PURCHASE

ANY = "*"
"""What stands for any text among the words of the settings."""

ZERO = r"^[-+]?0+([.,]0+)?$"

MAX_MARKED = 0.5
"""At most this share of the rows are purchases where the others are views."""

MIN_SAME = 0.9
"""Share of the purchases, and of the events with a word, that must be the same lines."""

MIXED_SHARE = 0.5
"""Of the sessions with a purchase and further lines, the share that must have a line without one."""

MAX_TIMES = 1.5
"""An order is one moment. A number that comes with more times than this was written to earlier lines, too."""

NOTE = "no column says what happened. This one is filled in few lines, so it probably marks the purchases"


def purchase_mark(columns: Sequence[Column], roles: Roles) -> tuple[Choice, Words] | None:
    """Return the column that marks purchases by being filled, such as `order_id` or `revenue`.

    Its values are `*` in purchases, and what means none elsewhere. A column that is filled in all of a
    buyer's lines marks no purchase.
    """
    for column, marked, zero in _marks(columns, roles):
        values = pc.if_else(marked, pa.scalar(ANY), column.values)
        zeros = column.values.filter(zero).unique().to_pylist()
        meanings = {**dict.fromkeys(zeros, "view"), ANY: PURCHASE}
        empty = "view" if column.values.null_count else ""
        return Choice(Column(column.name, values), (), NOTE), Words(meanings, (ANY,), empty=empty)
    return None


def marked_word(columns: Sequence[Column], roles: Roles) -> str | None:
    """Return the word for events that has an order's number or an amount, as no other word has, or None."""
    event = roles.event.column
    if event is None:
        return None
    for _, marked, _ in _marks(columns, roles):
        for word, count in list(Column("", event.values.filter(marked)).counts.items())[:1]:
            if count > MIN_SAME * max(event.counts[word], pc.sum(marked).as_py()):
                return word
    return None


def _marks(columns: Sequence[Column], roles: Roles) -> Iterator[tuple[Column, pa.Array, pa.Array]]:
    """Yield the columns that are filled in purchases alone, with which rows are these, and which are zero."""
    named = [column for column in columns if column.name not in roles.used]
    orders = [column for column in named if squeezed("".join(column.words)) in ORDERS]
    amounts = [column for column in named if marks_buyers(column) and column.numeric > 0.99]
    for column in (*orders, *amounts):
        zero = pc.fill_null(pc.match_substring_regex(column.values, ZERO), False)
        marked = pc.and_not(column.values.is_valid(), zero)
        count = pc.sum(marked).as_py() or 0
        if not 0 < count <= MAX_MARKED * column.rows or not _is_a_moment(column, marked, roles):
            continue
        yield column, marked, zero


def _is_a_moment(column: Column, marked: pa.Array, roles: Roles) -> bool:
    """Return whether the values of a column are of one moment each, or rare among the lines of a session."""
    session, time = roles.session.column, roles.time.column
    rows = np.asarray(marked)
    if session is not None:
        filled = pa.table({"session": session.values, "marked": marked}).drop_null()
        each = filled.group_by("session").aggregate([("marked", "mean"), ("marked", "count")])
        share = each.filter(pc.greater(each["marked_count"], 1))["marked_mean"]
        buyers = share.filter(pc.greater(share, 0))
        return len(buyers) > 0 and pc.mean(pc.less(buyers, 1).cast("float64")).as_py() > MIXED_SHARE
    if time is None or column.distinct < 0.5 * rows.sum():
        return False
    own, moments = (Column(each.name, each.values.filter(marked)) for each in (column, time))
    return pairs(own, moments) <= MAX_TIMES * own.distinct
