"""Encodes one event at a time, as whole tables are, and counts what the model does not know."""

import bisect
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from rabbithole.artifacts.data import Fields
from rabbithole.errors import printable
from rabbithole.formats.columns import FIRST_YEAR, LAST_YEAR, MAX_COST
from rabbithole.io.asof import AsOfTable, read_history
from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.steppers import Step
from rabbithole.sessions.session_task import ago_value
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.specs.table_columns import level_name
from rabbithole.windows.fields import FIRST_VALUE, MISSING, RARE, UNSEEN
from rabbithole.windows.steps import CALENDAR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_INTEGER = 2**1023
MICROSECOND = timedelta(microseconds=1)
KEPT_PRICES = 8
"""New prices that are kept of each item: an open session needs the last one before it began."""


def _known_year(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise PydanticCustomError("year", f"the year is {time.year}, not {FIRST_YEAR} to {LAST_YEAR}")
    return time


def _plain(value: Any) -> Any:
    """Return a value of JSON as a log's are read: 13085.0 is 13085, true a text, an empty text nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return None if value == "" else value


def _kind(value: Any) -> Any:
    return "view" if value in (None, "") else _plain(value)


def _price(value: float | None) -> float | None:
    """Return a price, None for what is none in a log either, such as a refund's; refuse an absurd one."""
    if value is not None and value > MAX_COST:
        raise PydanticCustomError("cost", f"the price is over {MAX_COST:,.0f}")
    return value if value is not None and value >= 0 else None


Word = Annotated[str | None, BeforeValidator(_plain)]


class LiveEvent(BaseModel):
    """One event: a JSON object with these keys. Further keys are fields of the shop.

    timestamp: ISO 8601, or seconds (or milliseconds) since 1970; without a zone it is UTC. Its year is one
    that a log may have, too.
    """

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, frozen=True)

    session_id: Word = None
    visitor: Word = None
    timestamp: Annotated[datetime, AfterValidator(_known_year)]
    event: Annotated[str, BeforeValidator(_kind)] = "view"
    item: Word = None
    category: Word = None
    cost: Annotated[float | None, BeforeValidator(_plain), AfterValidator(_price)] = None

    def microseconds(self) -> int:
        """Return the time in microseconds since 1970, UTC."""
        return (self.aware() - EPOCH) // MICROSECOND

    def aware(self) -> datetime:
        """Return the time with its zone."""
        return self.timestamp if self.timestamp.tzinfo else self.timestamp.replace(tzinfo=UTC)


class PointLookup:
    """Looks up single values in an as-of table, and takes in new ones."""

    def __init__(self, table: AsOfTable) -> None:
        self.codes = {item: code for code, item in enumerate(table.items.to_pylist())}
        self.table = table
        self.newer: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)

    def add(self, item: str, time: int, value: float) -> None:
        """Take in a value that holds from a time on, in microseconds since 1970."""
        history = self.newer[item]
        bisect.insort(history, (time, value), key=lambda entry: entry[0])
        del history[:-KEPT_PRICES]

    def lookup(self, item: str | None, time: int, *, before: bool) -> str | float | None:
        """Return the last value at or before a time; with `before`, strictly before it."""
        if item is None:
            return None
        if item in self.newer:
            history = self.newer[item]
            place = (bisect.bisect_left if before else bisect.bisect_right)(
                history, time, key=lambda entry: entry[0]
            )
            if place:
                return history[place - 1][1]
        code = self.codes.get(item)
        if code is None:
            return None
        start, end = self.table.starts[code : code + 2]
        count = np.searchsorted(self.table.times[start:end], time, side="left" if before else "right")
        return self.table.value(int(start + count) - 1) if count else None


class LiveEncoder:
    """Turns events into steps."""

    def __init__(self, folder: ModelFolder) -> None:
        fitted = folder.encoder.fitted
        self.zone, self.fields = ZoneInfo(fitted.timezone), fitted.fields
        self.history = folder.manifest.sessions.history > 0
        self.codes = {
            name: {value: FIRST_VALUE + place for place, value in enumerate(values)}
            for name, values in fitted.vocabularies.items()
        }
        self.rare = {name: set(values) for name, values in fitted.rare.items()}
        self.numeric = {name: (line.mean, line.deviation) for name, line in fitted.numeric.items()}
        self.category_path = folder.category_path()
        files, prices = folder.histories(), folder.prices()
        self.category = None if files is None else PointLookup(read_history(files["category"]))
        self.cost = None if files is None else PointLookup(read_history(files["cost"]))
        self.prices = None if prices is None else PointLookup(prices)

    def encode(self, event: LiveEvent, time: int, *, previous: int | None, start: int, ago: int = 0) -> Step:
        """Return an event's step.

        previous: time of the event before, of the session or its history; start: of the session's first one;
        ago: how many sessions ago the event was.
        """
        local = event.aware().astimezone(self.zone)
        calendar = {
            "hour": local.hour,
            "weekday": local.isoweekday(),
            "month": local.month,
            "week": local.isocalendar().week,
        }
        category, cost = event.category, event.cost
        if self.category is not None and self.cost is not None:
            category = self.category.lookup(event.item, time, before=False)  # type: ignore[assignment]
            cost = self.cost.lookup(event.item, time, before=False)  # type: ignore[assignment]
        if self.prices is not None:
            cost = self.prices.lookup(event.item, start, before=True)  # type: ignore[assignment]
        further = event.model_extra or {}
        words = self._levels(category) | further
        words |= {SESSIONS_AGO: ago_value(ago)} if self.history else {}
        words |= {"event": event.event, "item": event.item, "category": category}
        codes = tuple(
            self._code(name, calendar[name] if name in CALENDAR else words.get(name))
            for name in self.fields.categorical
        )
        dwell = None if previous is None else (time - previous) / 1e6
        amounts = {**further, "dwell": dwell, "cost": cost}
        return codes, tuple(self._number(name, amounts.get(name)) for name in self.fields.numeric)

    def encode_history(self, events: Sequence[tuple[int, LiveEvent]]) -> tuple[Step, ...]:
        """Return the steps of earlier events, each with how many sessions ago it was."""
        times = [event.microseconds() for _, event in events]
        before = [None, *times][: len(times)]
        return tuple(
            self.encode(event, time, previous=previous, start=time, ago=ago)
            for (ago, event), time, previous in zip(events, times, before, strict=True)
        )

    def _levels(self, category: str | None) -> dict[str, Any]:
        """Return the levels of a category that is a path, by the names of their fields."""
        if self.category_path is None or category is None:
            return {}
        mark = self.category_path.separator
        parts = category.split(mark)
        count = min(self.category_path.levels, len(parts))
        return {level_name(level): mark.join(parts[:level]) for level in range(1, count + 1)}

    def _code(self, name: str, value: Any) -> int:
        value = _plain(value)
        if value is None:
            return MISSING
        if name not in CALENDAR and not isinstance(value, str):
            value = str(value)
        code = self.codes[name].get(value)
        if code is not None:
            return code
        return RARE if value in self.rare.get(name, ()) else UNSEEN

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, str):
            with suppress(ValueError):
                value = float(value)
        if isinstance(value, int):
            # JSON's integers have no limit.
            value = float(value) if abs(value) < MAX_INTEGER else math.nan
        if not isinstance(value, float) or not math.isfinite(value):
            return math.nan
        mean, deviation = self.numeric[name]
        return (math.copysign(math.log1p(abs(value)), value) - mean) / deviation


LOGGER = logging.getLogger("rabbithole")

WARNED_WORDS = 10
"""Kinds of events that warnings name; further ones are only counted."""


class UnknownValues:
    """Counts events whose kind or item train does not contain. counts: of `unknown event`, `unknown item`.

    expected: kinds that the model has no code for, but that have a meaning of their own.
    """

    def __init__(self, fields: Fields, counts: Counter[str], expected: frozenset[str]) -> None:
        self.places = {
            name: fields.categorical.index(name) for name in ("event", "item") if name in fields.categorical
        }
        self.counts, self.expected = counts, expected
        self.words: set[str] = set()

    def count(self, event: LiveEvent, step: Step) -> None:
        """Count an event by its step; warn of the first one of each kind that is unknown."""
        codes, _ = step
        for name, place in self.places.items():
            if codes[place] != UNSEEN or (name == "event" and event.event in self.expected):
                continue
            self.counts[f"unknown {name}"] += 1
            if name == "event":
                self._warn(event.event)

    def _warn(self, word: str) -> None:
        if word in self.words or len(self.words) == WARNED_WORDS:
            return
        self.words.add(word)
        LOGGER.warning(
            "The model knows no event %r. Such events are scored and counted. If it is a purchase, send "
            "`transaction`; if it is an add-to-cart, `addtocart`.",
            printable(word[:100]),
        )
