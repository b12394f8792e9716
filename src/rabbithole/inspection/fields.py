"""Choose the further columns that are worth having as fields, and say why the others are left out."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.amounts import Decimal, parse_amounts
from rabbithole.inspection.columns import Column, pairs
from rabbithole.inspection.names import ANSWER_PARTS, ANSWERS, CODES, KNOWN_AT_END, ORDERS, squeezed
from rabbithole.inspection.roles import EXACT, Choice, Roles, name_score
from rabbithole.specs.table import FIELD_NAME, LEVEL, RESERVED_FIELDS, FieldKind

MAX_CATEGORY_VALUES = 20_000
"""A category with more values is a text or a code of its own."""

MIN_NUMBER_VALUES = 15
"""A whole number with fewer values is a category as well, which networks read better."""

MAX_NAME = 60
"""Characters of the name of a field."""

MAX_FIELD_AUC = 0.95
"""A column that ranks buyers with this AUC before they buy gives the answer away."""


MIN_SESSIONS, COUNTED_SHARE = 20, 0.9
"""Of so many sessions of several events at least, the share whose number of events a column holds."""


@dataclass(frozen=True)
class FieldProposal:
    """A further field: the name that it gets, its column and its kind."""

    name: str
    column: Column
    kind: FieldKind


@dataclass(frozen=True)
class LeftOut:
    """A column that is no field, and why."""

    column: Column
    reason: str


def propose(
    columns: Sequence[Column],
    roles: Roles,
    bought: NDArray[np.bool_] | None,
    purchases_alone: bool = False,
    decimal: Decimal = ".",
) -> tuple[list[FieldProposal], list[LeftOut]]:
    """Return the fields of a table, and the columns that are left out.

    bought: which rows are purchases, bool [rows], None if not known; purchases_alone: whether the table holds
    nothing but purchases, so that its columns say nothing about earlier events; decimal: the table's decimal
    mark.
    """
    keys = [column for column in (roles.session.column, roles.visitor.column) if column is not None]
    # An attribute of the visitor, such as the number of orders on the day of the export, says who bought in
    # any session.
    groups = [codes for key in keys if (codes := _groups(key, bought)) is not None]
    fields: list[FieldProposal] = []
    left_out: list[LeftOut] = []
    open_choices = {
        other.name
        for choice in (roles.time, roles.session, roles.visitor, roles.event)
        if choice.column is None
        for other in choice.others
    }
    if roles.time == Choice():
        open_choices |= {column.name for column in unread_times(columns)}
    names: set[str] = set()
    for column in columns:
        if column.name in roles.used:
            continue
        if column.name in open_choices:
            left_out.append(LeftOut(column, "it may be one of the columns above"))
            continue
        if purchases_alone:
            left_out.append(LeftOut(column, "it is only known with the purchase"))
            continue
        if reason := _reason(column, roles, keys, bought, groups):
            left_out.append(LeftOut(column, reason))
            continue
        number = column.numeric > 0.99 and (column.fractions > 0.01 or column.distinct > MIN_NUMBER_VALUES)
        number = number and not _is_code(column)
        if number and column.misread_by(decimal):
            other = "points" if decimal == "," else "commas"
            reason = f"its numbers have decimal {other}, unlike the table's `decimal`: rewrite them to use it"
            left_out.append(LeftOut(column, reason))
            continue
        fields.append(FieldProposal(_field_name(column, names), column, "number" if number else "category"))
    return fields, left_out


def _reason(
    column: Column,
    roles: Roles,
    keys: Sequence[Column],
    bought: NDArray[np.bool_] | None,
    groups: Sequence[NDArray[np.int64]],
) -> str:
    """Return why a column is no field, an empty text if it is one."""
    name = squeezed("".join(column.words))
    if not len(column.present):
        return "it is empty"
    if column.distinct == 1 and column.filled > 0.999:
        return "it is always the same"
    if marks_buyers(column):
        return "its name says that it marks buyers: it would give the answer away"
    if name in KNOWN_AT_END:
        return "its name says that it is known at the end of a session only"
    if name in ORDERS:
        return "it numbers purchases: it would give the answer away"
    if column.time is not None and (not column.time.number or "time" in name or "tstamp" in name):
        return "it is a further time"
    if bought is not None and bought.any() and not bought.all():
        filled = column.values.is_valid().to_numpy(zero_copy_only=False)
        if filled[bought].mean() > 0.5 and filled[~bought].mean() < 0.02:
            return "it is filled in purchases alone: it would give the answer away"
    if roles.session.column is not None and _counts_events(column, roles.session.column):
        return "it is how many events its session has, which is known at the end only"
    number = column.numeric > 0.99 and not _is_code(column)
    if column.unit_values > 0.9 and len(column.present) > 50 and not (number and column.fractions > 0.01):
        return "nearly every row has its own value"
    for key in keys:
        if len(column.present) > 50 and _names_the_key(column, key):
            return f"it is another name of {key.name}"
    if not number and column.distinct > MAX_CATEGORY_VALUES:
        return f"it has {column.distinct:,} different values in the sample"
    if not number and column.mean_length > 60 and column.distinct > 200:
        return "it is a text"
    item = roles.item.column
    # An amount may be the same for each item, such as its price, but it has a size.
    if item is not None and not (number and column.fractions > 0.01) and _same_as(column, item):
        return f"it holds the same as {item.name}"
    event = roles.event.column
    if (
        event is not None
        and column.filled == event.filled
        and event.distinct == column.distinct == pairs(column, event)
    ):
        return f"it holds the same as {event.name}"
    if bought is not None and any(_is_filled_for_buyers(column, bought, codes) for codes in groups):
        return "it is filled for buyers alone: it would give the answer away"
    if bought is not None and any(_gives_away(column, bought, codes) > MAX_FIELD_AUC for codes in groups):
        return "it separates buyers from others almost perfectly: it would give the answer away"
    return ""


def _counts_events(column: Column, session: Column) -> bool:
    """Return whether a number is, for nearly all sessions of several events, how many these are."""
    if column.numeric < 0.99 or column.fractions > 0.01 or column.distinct < 3:
        return False
    rows = pa.table({"session": session.values, "value": column.values}).drop_null()
    each = rows.group_by("session").aggregate([("value", "count"), ("value", "min"), ("value", "max")])
    several = each.filter(pc.greater(each["value_count"], 1))
    counts = several["value_count"].cast(pa.string())
    same = pc.and_(pc.equal(several["value_min"], counts), pc.equal(several["value_max"], counts))
    return len(several) >= MIN_SESSIONS and (pc.mean(same.cast(pa.float64())).as_py() or 0.0) > COUNTED_SHARE


def _is_code(column: Column) -> bool:
    """Return whether a number's name says that it is a code, which has no size."""
    first, last = (column.words[0], column.words[-1]) if column.words else ("", "")
    return last in CODES or first == "id" or (column.fractions < 0.01 and column.mean_length > 9)


def unread_times(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that are named like a time, whose values are none that can be read."""
    return [
        column
        for column in columns
        if name_score("time", column) >= EXACT - 1 and column.time is None and len(column.present)
    ]


def marks_buyers(column: Column) -> bool:
    """Return whether a column's name says that it marks buyers."""
    return squeezed("".join(column.words)) in ANSWERS or not ANSWER_PARTS.isdisjoint(column.words)


def _names_the_key(column: Column, key: Column) -> bool:
    """Return whether each key has a value of its own, where the column has one."""
    keys = pc.count_distinct(key.values.filter(column.values.is_valid())).as_py()
    if column.distinct < 0.9 * keys or keys < 50:
        return False
    return pairs(column, key) <= 1.05 * keys


def _same_as(column: Column, item: Column) -> bool:
    """Return whether a column and the item determine each other."""
    if column.distinct < 0.9 * item.distinct or item.distinct < 20:
        return False
    return pairs(column, item) <= 1.02 * item.distinct


def _groups(key: Column, bought: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
    if bought is None or not bought.any():
        return None
    codes: NDArray[np.int64] = (
        key.values.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    return codes


def _is_filled_for_buyers(column: Column, bought: NDArray[np.bool_], groups: NDArray[np.int64]) -> bool:
    """Return whether a column is filled for most keys with a purchase, before it too, and for no others."""
    if column.filled > 0.999:
        return False
    filled = column.values.is_valid().to_numpy(zero_copy_only=False)
    rows = ~bought & (groups >= 0)
    buyer = np.isin(groups, np.unique(groups[bought]))
    of_buyers, of_others = filled[rows & buyer], filled[rows & ~buyer]
    few = min(len(of_buyers), len(of_others)) < MIN_SESSIONS
    return not few and bool(of_buyers.mean() > 0.5 and of_others.mean() < 0.02)


def _gives_away(column: Column, bought: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Return the AUC with which a column ranks the keys with a purchase, from rows without one.

    A category is ranked by the share of buyers of its values, so small samples are not used.
    """
    buyers = np.unique(groups[bought])
    rows = ~bought & (groups >= 0) & column.values.is_valid().to_numpy(zero_copy_only=False)
    label = np.isin(groups[rows], buyers)
    positive, negative = int(label.sum()), int((~label).sum())
    if min(len(np.unique(groups[rows][label])), len(np.unique(groups[rows][~label]))) < 10:
        return 0.5
    values = column.values.filter(pa.array(rows))
    codes = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    total = np.bincount(codes)
    if len(total) > positive // 5 and column.numeric < 0.99:
        return 0.5
    if column.numeric > 0.99:
        decimal: Decimal = "," if column.decimal_commas > column.decimal_points else "."
        score = parse_amounts(values, decimal).fill_null(0.0).to_numpy(zero_copy_only=False)
    else:
        score = (np.bincount(codes, weights=label) / total)[codes]
    _, rank_of, tied = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(tied) - (tied - 1) / 2)[rank_of]
    area = (ranks[label].sum() - positive * (positive + 1) / 2) / (positive * negative)
    return float(max(area, 1 - area))


def _field_name(column: Column, names: set[str]) -> str:
    """Return a name that the settings allow and no other field has."""
    base = re.sub(r"^[\W\d_]+", "", "_".join(column.words))[:MAX_NAME]
    if not base.isascii():
        # Of other scripts than the Latin one, marks belong to the letter.
        base = unicodedata.normalize("NFC", re.sub(r"\W+", "_", column.name.split(".")[-1].lower()))[
            :MAX_NAME
        ]
    if not re.match(FIELD_NAME, base):
        base = f"column_{len(names) + 1}"
    if column.name.isdecimal():
        base = f"column_{column.name}"
    if base in RESERVED_FIELDS or LEVEL.fullmatch(base):
        base = f"log_{base}"
    name, number = base, 2
    while name in names:
        name, number = f"{base}_{number}", number + 1
    names.add(name)
    return name
