"""Give the columns of a table their roles, each column one at most."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.times import SECONDS, parse_clock
from rabbithole.inspection.addresses import MIN_ADDRESSES, with_patterns
from rabbithole.inspection.columns import Column, pairs
from rabbithole.inspection.counted import find_counted, find_time_of_day
from rabbithole.inspection.items import ID_WORDS, cost_by_values, item_by_ending, item_by_values
from rabbithole.inspection.keys import Keyed
from rabbithole.inspection.names import NAMES, Role
from rabbithole.inspection.roles import (
    BY_VALUES,
    CAN_BE,
    EXACT,
    STANDS_STILL,
    Choice,
    Roles,
    choose,
    is_key,
    name_score,
    numbers,
    offset_in_session,
    offset_unit,
    stands_still,
)
from rabbithole.inspection.sample import Sample
from rabbithole.inspection.times import date_and_clock, date_order, parse
from rabbithole.inspection.words import choose_event

CLOSER_RATIO = 5
"""How many times closer in time the events of a session are than those of anything else."""

MIN_RETURNING_SHARE = 0.3
"""Where more than this share of keys come back after hours, they are visitors and no sessions."""

COARSE: dict[float, Literal["minute", "hour", "day"]] = {86_400.0: "day", 3600.0: "hour", 60.0: "minute"}
"""Seconds of what times may be whole ones of, the longest first."""

FIRST_OF_SEVERAL = (
    "it is the first of several times in a line, and only one array can be taken apart: write a line for "
    "each event"
)

MIN_TIMES = 24
"""With fewer different times, chance may make them whole ones."""


def assign(sample: Sample, columns: Sequence[Column]) -> Roles:
    """Return which column is what."""
    roles = Roles()
    _times(roles, sample, columns)
    free = _free(roles, columns)
    roles.session, roles.visitor = choose("session", free), choose("visitor", free)
    seconds = seconds_of(roles)
    if seconds is not None:
        _check_session(roles, sample, seconds)
        if roles.session == Choice() and roles.visitor == Choice():
            _keys_by_values(roles, sample, free, seconds)
    roles.event, roles.event_rest = choose_event([with_patterns(column) for column in _free(roles, columns)])
    for role in ("item", "category", "cost"):
        setattr(roles, role, _of_items(role, roles, columns))
    return roles


def _of_items(role: Literal["item", "category", "cost"], roles: Roles, columns: Sequence[Column]) -> Choice:
    """Return the column of the items, or of their categories or prices."""
    free = _free(roles, columns)
    nameless = all(column.name.isdecimal() for column in columns)
    if role == "cost" and nameless:
        return cost_by_values(free)
    if role != "item":
        return choose(role, free)
    if nameless:
        choice = item_by_values(free)
        if choice.column is not None and roles.session.column is roles.visitor.column is None:
            return Choice(None, (choice.column, *choice.others), "it may as well be who acted")
        return choice
    if roles.event.column is None:
        # Addresses of several kinds of pages may say what happened, so they are no items.
        free = [column for column in free if not _is_of_pages(column)]
    choice = choose(role, free)
    if choice == Choice():
        return item_by_ending(free)
    others = choice.others
    if choice.column is None and len(others) == 1 and others[0].addresses > MIN_ADDRESSES:
        return Choice(others[0], (), "each address counts as an item, as a part of the name says")
    return choice


def seconds_of(roles: Roles) -> pa.Array | None:
    """Return the times of all rows as seconds since 1970, float64 [rows], None if no column is sure."""
    column = roles.time.column
    if column is None or roles.units:
        return None
    if roles.date is not None:
        joined = pc.binary_join_element_wise(roles.date.values, column.values, " ")
        return parse(joined, roles.unit, "UTC")
    if roles.origin is not None and "%" not in roles.unit:
        start = parse(pa.array([roles.origin]), "iso", "UTC")[0]
        counted = pa.array(numbers(column), from_pandas=True)
        seconds = pc.add(pc.multiply(counted, float(SECONDS[roles.unit])), start)
    else:
        values = [column.values, *(part.values for part in roles.parts)]
        seconds = parse(pc.binary_join_element_wise(*values, " "), roles.unit, "UTC", roles.origin)
    if roles.offset is None:
        return seconds
    if roles.offset_unit == "clock":
        return pc.add(seconds, parse_clock(roles.offset.values))
    offset = pa.array(numbers(roles.offset), from_pandas=True)
    return pc.add(seconds, pc.multiply(offset, float(SECONDS[roles.offset_unit])))


def _is_of_pages(column: Column) -> bool:
    """Return whether a column holds addresses of a few kinds of pages, such as /product/* and /cart."""
    return column.addresses > MIN_ADDRESSES and CAN_BE["event"](with_patterns(column))


def _free(roles: Roles, columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if column.name not in roles.used]


def _times(roles: Roles, sample: Sample, columns: Sequence[Column]) -> None:
    """Find the time: one column, date and time of day in two, or a date and an offset within the session."""
    moments = [column for column in columns if CAN_BE["time"](column)]
    whole = [column for column in moments if column.time is not None and not column.time.dates]
    named = choose("time", whole)
    if named == Choice():
        # A number that looks like a time may be a code, so it counts only where it does nothing else.
        named = _only(
            [
                column
                for column in whole
                if not any(name_score(role, column) >= 2 for role in NAMES)
                and not (_is_number(column) and not ID_WORDS.isdisjoint(column.words))
            ]
        )
    if named.column is None and named.others:
        moving = _moving(named.others, columns, sample)
        named = Choice(moving[0], named.others) if len(moving) == 1 else Choice(None, moving, named.note)
    if named.column is None and len(named.others) == 1 and not _is_number(named.others[0]):
        named = Choice(named.others[0], (), "recognised by its values and a part of its name")
    if named == Choice():
        named = _date_and_more(roles, columns, [column for column in moments if column not in whole])
    if named.column is not None and named.column.name.endswith(".0"):
        named = Choice(None, (named.column,), FIRST_OF_SEVERAL)
    roles.time = named
    if named == Choice():
        find_counted(roles, columns, sample.block)
        seconds = seconds_of(roles)
        if seconds is not None:
            counts_days = (
                roles.unit == "d" and roles.time.column is not None and roles.time.column.fractions == 0
            )
            days = roles.offset is None and ("%" in roles.unit or counts_days)
            _coarse(roles, seconds.drop_null(), dates=days)
            return
    column = named.column
    guess = None if column is None else (roles.date or column).time
    if column is None or guess is None:
        return
    if roles.date is None:
        _offset(roles, columns, column)
    roles.unit = guess.unit
    units = (guess.unit, *guess.others) if guess.others else ()
    values = column.values
    if roles.date is not None and column.time is not None:
        texts = roles.date.present, column.present
        roles.unit = date_and_clock(guess.unit, column.time.unit, *texts)
        units = tuple(date_and_clock(unit, column.time.unit, *texts) for unit in units)
        values = pc.binary_join_element_wise(roles.date.values, values, " ")
    if units:
        roles.unit, roles.units = date_order(values, sample.block, units)
    if (seconds := seconds_of(roles)) is not None:
        _coarse(roles, seconds.drop_null(), dates=guess.dates and roles.date is roles.offset is None)


def _coarse(roles: Roles, seconds: pa.Array, *, dates: bool) -> None:
    """Say of what all times are whole ones. dates: whether they are written as dates."""
    if not dates and (roles.units or pc.count_distinct(seconds).as_py() <= MIN_TIMES):
        return
    for length, name in COARSE.items():
        units = pc.divide(seconds, length)
        if dates or pc.all(pc.equal(pc.floor(units), units)).as_py():
            roles.coarse = name
            break
    if roles.coarse in ("hour", "day"):
        note = (
            f"it holds whole {roles.coarse}s, so the order of events within one is not known: models see "
            f"nothing of the {roles.coarse} of a purchase"
        )
        roles.time = replace(roles.time, note="; ".join(filter(None, [roles.time.note, note])))


def _offset(roles: Roles, columns: Sequence[Column], time: Column) -> None:
    """Find the offset from a time that is the same for a whole session, and the offset's unit."""
    others = [column for column in columns if column is not time]
    session = choose("session", others).column
    if roles.offset is None and session is not None and stands_still(time, session):
        roles.offset = offset_in_session([column for column in others if column is not session], session)
        if roles.offset is None:
            roles.time = Choice(time, roles.time.others, STANDS_STILL)
    if roles.offset is not None and roles.offset_unit not in ("h", "clock"):
        assert time.time is not None
        roles.offset_unit = offset_unit(roles.offset, of_day=time.time.dates)


def _moving(times: Sequence[Column], columns: Sequence[Column], sample: Sample) -> tuple[Column, ...]:
    """Return the times that differ from event to event, all if none does: a session's start does not."""
    arrays = (f"{sample.explode}.", *(f"{path}.0." for path in sample.arrays))
    inside = [column for column in times if column.name.startswith(arrays)]
    session = choose("session", [column for column in columns if column not in times]).column
    if not inside and session is not None:
        inside = [column for column in times if pairs(column, session) > 1.05 * session.distinct]
    return tuple(inside or times)


def _date_and_more(roles: Roles, columns: Sequence[Column], dates: Sequence[Column]) -> Choice:
    """Return the column of the time of day, or that of the date alone."""
    date = choose("time", dates)
    if date == Choice():
        date = _only(dates)
    if date.column is None:
        return date
    # Six digits may be a code, too.
    clocks = [
        column
        for column in columns
        if CAN_BE["clock"](column) and (column.numeric < 0.99 or name_score("clock", column) > 0)
    ]
    clock = choose("clock", clocks) if len(clocks) > 1 else _only(clocks)
    if clock.column is not None:
        roles.date = date.column
        return Choice(clock.column)
    others = [column for column in columns if column is not date.column]
    find_time_of_day(roles, others)
    if roles.offset is None:
        roles.offset = choose("offset", others).column
    unread = [
        column
        for column in others
        if name_score("clock", column) >= EXACT - 1 and column.time is None and len(column.present)
    ]
    if roles.offset is None and unread:
        shown = f"{unread[0].name}, such as {unread[0].present[0]}"
        note = f"it holds whole days, and {shown}, is named like the time of day but cannot be read as one"
        return Choice(None, (date.column,), note)
    return date


def _is_number(column: Column) -> bool:
    return column.time is not None and column.time.number


def _only(columns: Sequence[Column]) -> Choice:
    if len(columns) != 1:
        return Choice(None, tuple(columns), f"{len(columns)} columns may be meant" if columns else "")
    return Choice(columns[0], (), BY_VALUES)


def _check_session(roles: Roles, sample: Sample, seconds: pa.Array) -> None:
    """Take a session that comes back for a visitor; join one that visitors share with the visitor."""
    session, visitor = roles.session.column, roles.visitor.column
    if session is None:
        return
    if visitor is None:
        if (
            roles.visitor == Choice()
            and Keyed.by(session.values, seconds, sample.block).returning > MIN_RETURNING_SHARE
        ):
            if not _names_many(session):
                # Such as Adobe's `visit_num`, which counts the visits of each visitor.
                roles.session = Choice()
                return
            roles.visitor = Choice(
                session, (), "called a session, but it comes back after hours, as a visitor does"
            )
            roles.session = Choice()
        return
    if session.filled < 0.99 * visitor.filled:
        share = f"{1 - session.filled:.0%}"
        note = f"{session.name} is empty in {share} of the rows, so sessions are made from visitors"
        roles.session, roles.visitor = Choice(), Choice(visitor, (session,), note)
        return
    pairs = pa.table({"session": session.values, "visitor": visitor.values}).drop_null()
    per_session = pairs.group_by("session").aggregate([("visitor", "count_distinct")])
    several = pc.mean(pc.greater(per_session["visitor_count_distinct"], 1).cast(pa.float64())).as_py() or 0.0
    if several > 0.05:
        roles.joined = True


def _keys_by_values(roles: Roles, sample: Sample, columns: Sequence[Column], seconds: pa.Array) -> None:
    """Find the column whose events lie closest together in time: a session or a visitor."""
    known: tuple[Role, ...] = ("event", "item", "category", "cost")
    candidates = [
        column
        for column in columns
        if is_key(column)
        and column.filled > 0.9
        and _names_many(column)
        and column.addresses <= MIN_ADDRESSES
        and not any(name_score(role, column) >= EXACT - 1 for role in known)
    ]
    if not candidates:
        return
    keyed = [(Keyed.by(column.values, seconds, sample.block), column) for column in candidates]
    keyed.sort(key=lambda pair: pair[0].median_pause)
    (best, column), rest = keyed[0], keyed[1:]
    closer = all(other.median_pause > CLOSER_RATIO * max(best.median_pause, 1.0) for other, _ in rest)
    # In a busy log, the events of a popular category are close too, but no closer than chance has it.
    clustered = all(other.clustering > 2 * best.clustering for other, _ in rest)
    if not (np.isfinite(best.median_pause) and closer and clustered):
        roles.visitor = Choice(
            None, tuple(candidates), "no name says who acted, and their values do not show it"
        )
        return
    choice = Choice(column, (), BY_VALUES)
    if best.returning > MIN_RETURNING_SHARE / 3:
        roles.visitor = choice
    else:
        roles.session = choice


def _names_many(column: Column) -> bool:
    """Return whether a column has enough values to name those who acted."""
    return column.distinct > max(10, column.rows // 2000)
