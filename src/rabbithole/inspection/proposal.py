"""A proposal for each table of a log: its roles and fields, and the part of the settings that they make."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.amounts import Decimal
from rabbithole.inspection.addresses import with_patterns
from rabbithole.inspection.assign import assign
from rabbithole.inspection.columns import Column, describe
from rabbithole.inspection.fields import FieldProposal, LeftOut, marks_buyers, unread_times
from rabbithole.inspection.files import LogFile
from rabbithole.inspection.items import lists_of, with_lists
from rabbithole.inspection.layout import Layout, content_by_name
from rabbithole.inspection.marks import marked_word, purchase_mark
from rabbithole.inspection.names import UNDONE, is_yes, is_yes_or_no
from rabbithole.inspection.prices import with_notes
from rabbithole.inspection.roles import CAN_BE, Choice, Roles
from rabbithole.inspection.sample import Sample, read_sample
from rabbithole.inspection.words import Words, meanings
from rabbithole.specs.table import PURCHASE

MAX_STATUSES = 20
"""A status of orders has so many values at most."""

MIXED_SHARE = 0.5
"""A flag that marks buyers, in place of purchases, is the same in all events of a session."""

MIN_ITEMS_PER_LINE = 1.01
"""With more items per line than this, each item becomes an event."""

SEPARATORS = (" > ", " / ", " | ", ">", "/", "|", ".", "::", "\\")
"""What stands between the levels of a category path, the longest first."""


@dataclass(frozen=True)
class CategoryPath:
    """A category that is a path. levels: how many of its levels become fields."""

    separator: str
    levels: int


@dataclass(eq=False)
class TableProposal:
    """What is known of one table.

    content: what each line is where no column says so, None if that is not known, `order` if each line of the
    log is a purchase, which nothing precedes; decimal: the decimal mark;
    endings: words for events that only mark the end of a session; lacks_purchases: whether its column of
    events has no word for a purchase, and no other table has purchases.
    """

    name: str
    files: list[LogFile]
    layout: Layout
    sample: Sample
    columns: list[Column]
    roles: Roles
    words: Words
    content: Literal["view", "addtocart", "transaction", "order"] | None
    path: CategoryPath | None
    decimal: Decimal
    fields: list[FieldProposal] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    lacks_purchases: bool = False

    @property
    def own_columns(self) -> list[Column]:
        """Return the columns that the files have themselves, without those of folders."""
        return self.columns[: len(self.columns) - len(self.sample.partitions)]

    @property
    def has_time(self) -> bool:
        """Return whether the time and its format are sure."""
        return self.roles.time.column is not None and not self.roles.units

    @property
    def has_key(self) -> bool:
        """Return whether the session or the visitor is sure."""
        return self.roles.session.column is not None or self.roles.visitor.column is not None

    @property
    def has_event(self) -> bool:
        """Return whether each line's kind of event is sure."""
        return self.roles.event.column is not None or (
            self.content is not None and not self.roles.event.others
        )

    @property
    def has_purchases(self) -> bool:
        """Return whether the table says who buys."""
        return bool(self.words.purchase) if self.roles.event.column is not None else self.content == PURCHASE

    @property
    def unread_times(self) -> list[Column]:
        """Return the columns that are named like a time, whose values are none that can be read."""
        return unread_times(self.columns)

    @property
    def repeated(self) -> int:
        """Return how many rows of the sample repeat another one exactly, 0 unless several may share a time.

        They do where times are coarse, and as items of one array.
        """
        if not self.roles.coarse and self.sample.explode is None:
            return 0
        rows = pa.table(self.sample.columns)
        return len(rows) - len(rows.group_by(rows.column_names).aggregate([]))

    @property
    def odd_text(self) -> str:
        """Return a word with a letter beyond ASCII, by which a reader sees whether the encoding is right."""
        texts = (text for column in self.columns for text in (column.name, *column.counts))
        return next((text[:40] for text in texts if not text.isascii()), "")

    @property
    def no_values(self) -> list[str]:
        """Return the texts in the columns of ids that probably mean that there is no value."""
        roles = (self.roles.session, self.roles.visitor, self.roles.item)
        columns = [choice.column for choice in roles if choice.column is not None]
        return list(dict.fromkeys(text for column in columns for text in column.no_values))

    @property
    def worded(self) -> list[Column]:
        """Return the columns whose few words may be kinds of events that no list knows.

        Of addresses, those that begin alike are one word with `*`.
        """
        columns = (with_patterns(field.column) for field in self.fields if field.kind == "category")
        return [column for column in columns if CAN_BE["event"](column) and column.numeric < 0.5]

    @property
    def statuses(self) -> Column | None:
        """Return the column by which some lines of a table of purchases are orders that were not kept."""
        if self.content not in (PURCHASE, "order"):
            return None
        few = (
            column for column in self.columns if CAN_BE["event"](column) and column.distinct <= MAX_STATUSES
        )
        return next((column for column in few if undone(column)), None)

    @property
    def flags(self) -> list[Column]:
        """Return the columns that may mark purchases: their name says so, and their values are yes and no."""
        return [column for column in self.columns if _is_flag(column)]


def undone(column: Column) -> list[str]:
    """Return the values of a column that say that an order was not kept."""
    return [text for text in column.counts if any(part in text.lower() for part in UNDONE)]


def propose_table(files: Sequence[LogFile], layout: Layout) -> TableProposal:
    """Read a sample of a table and propose its settings."""
    sample = read_sample(files, layout)
    columns = describe(sample)
    roles = assign(sample, columns)
    array, separator = _events_in(sample, columns, roles), None
    if array is None and layout.kind == "csv" and (lists := lists_of(roles.item)):
        array, separator = lists
    if array is not None:
        sample = read_sample(files, layout, array, separator)
        columns = describe(sample)
        roles = assign(sample, columns)
    words = meanings(roles.event.column.counts) if roles.event.column is not None else Words({})
    if roles.event == Choice() and (flag := _purchase_flag(columns, roles)):
        note = "it is set in some events of a session alone, so it probably marks the purchase itself"
        roles.event = Choice(flag, note=note)
        marks = {word: PURCHASE if is_yes(word) else "view" for word in flag.counts}
        words = Words(marks, tuple(filter(is_yes, marks)), likely=True)
    elif roles.event == Choice() and (marked := purchase_mark(columns, roles)):
        roles.event, words = marked
    elif not words.purchase and (word := marked_word(columns, roles)):
        mapping = {**words.mapping, word: PURCHASE}
        words = replace(words, mapping=mapping, purchase=(word,), likely=True, maybe=())
    roles.cost = with_notes(roles.cost, roles.event.column, words)
    roles.item, roles.event = with_lists(roles.item), with_lists(roles.event)
    return TableProposal(
        name="events",
        files=list(files),
        layout=layout,
        sample=sample,
        columns=columns,
        roles=roles,
        words=words,
        content=content_by_name(files[0].name) if roles.event.column is None else None,
        path=None if roles.category.column is None else category_path(roles.category.column),
        decimal=_decimal(columns, roles.cost.column),
    )


def _is_flag(column: Column) -> bool:
    return marks_buyers(column) and column.distinct == 2 and all(map(is_yes_or_no, column.counts))


def _purchase_flag(columns: Sequence[Column], roles: Roles) -> Column | None:
    """Return the only flag of purchases, if most sessions in which it is set have events without it, too."""
    session, flags = roles.session.column, [column for column in columns if _is_flag(column)]
    if session is None or len(flags) != 1:
        return None
    words = pa.table({"session": session.values, "flag": flags[0].values}).drop_null()
    yes = pa.array(filter(is_yes, flags[0].counts))
    bought = words.filter(pc.is_in(words["flag"], value_set=yes))["session"].unique()
    own = words.filter(pc.is_in(words["session"], value_set=bought))
    mixed = len(own.group_by(["session", "flag"]).aggregate([])) - len(bought)
    return flags[0] if mixed > MIXED_SHARE * len(bought) else None


def _decimal(columns: Sequence[Column], cost: Column | None) -> Decimal:
    """Return the decimal mark of a table: that of its prices, where these have one."""
    if cost is not None and cost.decimal_commas + cost.decimal_points > 0:
        return "," if cost.decimal_commas > cost.decimal_points else "."
    commas = (column.decimal_commas > 0.1 and column.numeric > 0.98 for column in columns)
    return "," if any(commas) else "."


def _events_in(sample: Sample, columns: Sequence[Column], roles: Roles) -> str | None:
    """Return the array whose items are the events, None if each line is one.

    That is an array with the times, or one with the items of which lines have several.
    """
    for path, length in sample.arrays.items():
        below = [column.name for column in columns if column.name.startswith(f"{path}.0.")]
        time, item = roles.time.column, roles.item.column
        if time is not None and time.name in below:
            return path
        if item is not None and item.name in (*below, f"{path}.0") and length > MIN_ITEMS_PER_LINE:
            return path
    return None


def category_path(column: Column) -> CategoryPath | None:
    """Return how a category is written as a path, None if it is none."""
    for separator in SEPARATORS:
        levels = pc.count_substring(column.present, separator)
        several = float(pc.mean(pc.greater(levels, 0).cast("float64")).as_py() or 0)
        if several < 0.6 or column.numeric > 0.5:
            continue
        roots = pc.count_distinct(pc.list_element(pc.split_pattern(column.present, separator), 0)).as_py()
        if roots <= 0.7 * column.distinct:
            return CategoryPath(separator, min(2, int(pc.max(levels).as_py())))
    return None
