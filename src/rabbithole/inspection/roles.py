"""Decide which column is what: by its name, and by whether its values can be that.

This includes the column that says how long after a date or a session's start an event was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.inspection.columns import Column, pairs
from rabbithole.inspection.names import (
    BEGINNINGS,
    CURRENCIES,
    ENDINGS,
    NAMES,
    SMALL_WORDS,
    Role,
    is_yes_or_no,
    squeezed,
)

EXACT, PARTIAL = 3.0, 1.0
"""Scores of a name that is known, and of one that contains a known one."""

BY_VALUES = "recognised by its values, as no name says it"

OTHER_THINGS = frozenset(["age", "customer", "device", "event", "page", "shop", "store", "user", "visitor"])
"""What may have a category or a price besides an item: `deviceCategory`."""

SQUEEZED_ENDINGS = tuple(map(squeezed, ENDINGS))

SCORE_MARGIN = 0.25
"""A column is chosen when its score is this far above that of the next one."""


@dataclass(frozen=True)
class Choice:
    """Which column has a role.

    column: None if none is sure; others: columns that may be meant instead, or the candidates where none is
    sure; note: what a reader should check, empty if nothing.
    """

    column: Column | None = None
    others: tuple[Column, ...] = ()
    note: str = ""


def name_score(role: Role, column: Column) -> float:
    """Return how well a name fits a role: 0 not at all, up to 3, the earlier in its list the higher."""
    words = [word for word in column.words if word not in SMALL_WORDS]
    if role == "cost":
        words = [word for word in words if word not in CURRENCIES]
    name = squeezed("".join(words))
    if not name:
        return 0.0
    known = [squeezed(candidate) for candidate in NAMES[role]]
    # `time_of_day` is known with its small word.
    stems = {name, squeezed("".join(column.words))}
    stems |= {name.removesuffix(ending) for ending in SQUEEZED_ENDINGS if name != ending}
    # `num_items` counts, `num_client` names.
    counts = name.startswith("num") and name.endswith("s")
    if len(words) > 1 and words[0] in BEGINNINGS and not counts:
        stems.add(squeezed("".join(words[1:])))
    places = [place for place, candidate in enumerate(known) if candidate in stems]
    if places:
        return EXACT - min(places) / len(known)
    sure = set(known[: len(known) // 2])
    return PARTIAL if any(word in sure for word in column.words if len(word) > 2) else 0.0


def is_key(column: Column) -> bool:
    """Return whether values can be ids of sessions or visitors: some repeat, and they are no quantities."""
    return (
        column.distinct > 2
        and (column.fractions < 0.01 or max(column.cookies, column.rounded, column.thousands) > 0.99)
        and column.mean_length < 120
        and (column.unit_values < 0.98 or len(column.present) < 20)
        and (column.time is None or column.time.number)
    )


def is_event(column: Column) -> bool:
    """Return whether values can be kinds of events: a few short words that come again."""
    return (
        1 < column.distinct <= 300
        and column.mean_length <= 60
        and (column.unit_values <= 0.5 or len(column.present) < 20)
        and (column.fractions < 0.01 or ("event" in column.words and column.codes > 0.99))
        and column.time is None
        and not all(map(is_yes_or_no, column.counts))
    )


def is_item(column: Column) -> bool:
    """Return whether values can be items."""
    return (
        column.distinct > 1
        and (column.fractions < 0.01 or column.thousands > 0.99)
        and column.mean_length < 120
        and (column.time is None or column.time.number)
    )


def is_category(column: Column) -> bool:
    """Return whether values can be categories of items."""
    return (
        column.distinct > 1 and column.mean_length < 200 and column.time is None and column.unit_values < 0.9
    )


def is_cost(column: Column) -> bool:
    """Return whether values can be prices: numbers, not all the same."""
    return column.distinct > 1 and column.numeric > 0.98 and column.time is None


CAN_BE: dict[Role, Callable[[Column], bool]] = {
    "session": is_key,
    "visitor": is_key,
    "event": is_event,
    "item": is_item,
    "category": is_category,
    "cost": is_cost,
    "time": lambda column: column.time is not None and not column.time.clock,
    "clock": lambda column: column.time is not None and column.time.clock,
    "date": lambda column: column.time is not None and column.time.dates,
    "offset": lambda column: column.numeric > 0.99 and column.time is None and column.distinct > 2,
}


def choose(
    role: Role, columns: Sequence[Column], *, bonus: Callable[[Column], float] | None = None
) -> Choice:
    """Return the column that fits a role best; none if two fit alike, or one only by part of its name.

    bonus: adds to a column's score by its content.
    """
    scored = [
        (score + 0.5 * column.filled + (bonus(column) if bonus else 0.0), column)
        for column in columns
        if (score := name_score(role, column)) > 0 and CAN_BE[role](column)
    ]
    scored.sort(key=lambda pair: -pair[0])
    if not scored:
        return Choice()
    (best, column), rest = scored[0], scored[1:]
    close = tuple(other for score, other in rest if best - score < SCORE_MARGIN)
    others = tuple(other for _, other in rest)
    if best < EXACT - 1:
        ending = [other for _, other in scored if _ends_with_name(role, other)]
        if role in ("item", "category", "cost") and len(ending) == 1:
            unlike = tuple(other for _, other in scored if other is not ending[0])
            return Choice(ending[0], unlike, "only the end of the name says it")
        return Choice(None, (column, *others), "only a part of the name says it")
    if close:
        same = [other for other in close if _holds_the_same(column, other)]
        if len(same) < len(close):
            return Choice(None, (column, *close), f"{len(close) + 1} columns may be meant")
    return Choice(column, others)


def _ends_with_name(role: Role, column: Column) -> bool:
    """Return whether a name ends with a known name: `Lineitem sku`, `context_product_id`."""
    known = {squeezed(candidate) for candidate in NAMES[role]}
    ends = [start for start in range(len(column.words)) if squeezed("".join(column.words[start:])) in known]
    return any(start == 0 or column.words[start - 1] not in OTHER_THINGS for start in ends)


def _holds_the_same(column: Column, other: Column) -> bool:
    """Return whether two columns divide the rows alike, so that either will do."""
    if column.distinct != other.distinct or column.values.null_count != other.values.null_count:
        return False
    pairs = set(zip(column.values.to_pylist(), other.values.to_pylist(), strict=True))
    return len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})


@dataclass
class Roles:
    """The roles of a table's columns.

    unit: how times are written; units: the formats of which one must be chosen, empty if `unit` is sure;
    origin: the moment from which times count, None for 1970; parts: further columns that make up the time;
    coarse: of what all times are whole ones, if so; joined: whether a session is named by visitor and session
    together; event_rest: the column that says what happened where that of the event is empty.
    """

    time: Choice = field(default_factory=Choice)
    date: Column | None = None
    offset: Column | None = None
    offset_unit: Literal["s", "ms", "h", "clock"] = "ms"
    unit: str = "auto"
    origin: str | None = None
    parts: tuple[Column, ...] = ()
    units: tuple[str, ...] = ()
    coarse: Literal["", "minute", "hour", "day"] = ""
    joined: bool = False
    session: Choice = field(default_factory=Choice)
    visitor: Choice = field(default_factory=Choice)
    event: Choice = field(default_factory=Choice)
    event_rest: Column | None = None
    item: Choice = field(default_factory=Choice)
    category: Choice = field(default_factory=Choice)
    cost: Choice = field(default_factory=Choice)

    @property
    def used(self) -> list[str]:
        """Return the names of all columns that have a role."""
        choices = (self.time, self.session, self.visitor, self.event, self.item, self.category, self.cost)
        columns = [choice.column for choice in choices]
        columns += [self.date, self.offset, self.event_rest, *self.parts]
        return [column.name for column in columns if column is not None]


DAY_SECONDS = 86_400.0

LONG_OFFSET = 10_000.0
"""A median offset above this is in milliseconds: three hours are no usual time within a session."""

STANDS_STILL = (
    "it is the same for all events of a session: a purchase is then at the time of the views and not after "
    "them, so no session counts as a buyer"
)


def numbers(column: Column) -> NDArray[np.float64]:
    """Return a column of offsets as float64 [rows], nan where there is none."""
    texts = pc.replace_substring(column.values, ",", ".")
    plain = pc.if_else(pc.match_substring_regex(texts, r"^\d+(\.\d*)?$"), texts, None)
    values: NDArray[np.float64] = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def stands_still(time: Column, session: Column) -> bool:
    """Return whether all events of a session have the same time."""
    return time.rows > 1.5 * session.distinct and pairs(time, session) <= 1.05 * session.distinct


def offset_in_session(columns: Sequence[Column], session: Column) -> Column | None:
    """Return the column with the time since the session's start, by its name or as it starts at zero."""
    candidates = [column for column in columns if CAN_BE["offset"](column) and column.distinct > 20]
    named = choose("offset", candidates).column
    if named is not None:
        return named
    rising = [column for column in candidates if _starts_at_zero(column, session)]
    return rising[0] if len(rising) == 1 else None


def _starts_at_zero(column: Column, session: Column) -> bool:
    """Return whether the smallest value of nearly every session is zero, or nearly so by all values."""
    values = numbers(column)
    table = pa.table({"session": session.values, "value": pa.array(values, from_pandas=True)})
    least = table.drop_null().group_by("session").aggregate([("value", "min")])["value_min"]
    return bool(
        (pc.mean(pc.less_equal(least, 0.01 * np.nanmedian(values)).cast(pa.float64())).as_py() or 0.0) > 0.9
    )


def offset_unit(column: Column, *, of_day: bool) -> Literal["s", "ms"]:
    """Return the unit of offsets, by their name or else their size. of_day: whether they follow a date."""
    words = set(column.words)
    if words & {"ms", "msec", "millis", "milliseconds"}:
        return "ms"
    if words & {"s", "sec", "secs", "seconds"}:
        return "s"
    values = numbers(column)
    if of_day:
        return "ms" if np.nanmax(values) > DAY_SECONDS else "s"
    return "ms" if np.nanmedian(values) > LONG_OFFSET else "s"
