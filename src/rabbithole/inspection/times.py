"""Detect how times are written, from their texts alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.times import JSON_DATE, Times, parse_text
from rabbithole.specs.table_columns import BLANK, format_regex

MIN_PARSED_SHARE = 0.99
"""Share of a column's values that must be times."""

FIRST, LAST = (int(np.datetime64(f"{year}-01-01", "s").astype(np.int64)) for year in (1995, 2035))
"""Seconds since 1970 between which a plain number may be a time."""

COLONS = "%H:%M:%S"
"""The format of a time of day with colons, with or without seconds."""

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

CLOCK = r"^\s*([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?\s*$"
HALF_DAYS = rf"\d{BLANK}*[AaPp]\.?{BLANK}?[Mm]\.?\s*$"
HALF_DAY_FORMATS = ("%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
SIX_DIGITS = r"^([01]\d|2[0-3])[0-5]\d[0-5]\d$"
COMPACT = {r"^(19|20)\d{8}$": "%Y%m%d%H", r"^(19|20)\d{10}$": "%Y%m%d%H%M"}
"""Dates with hours or minutes, without marks. As seconds since 1970, they would be of the 2030s."""

ISO_SHAPE = r"^\s*(\d{4}-\d{2}-\d{2}|\d{8}(\d{6})?\D|\d{8}(\d{6})?$)"
DATE_ONLY = r"^\s*(\d{4}-\d{2}-\d{2}|\d{8}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}/\d{1,2}/\d{1,2})\s*$"
ZONED = r"(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)(\[[^\]]*\])?\s*$"

DATES = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
)
CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %H:%M:%S %z",
    ", %H:%M",
    ", %H:%M:%S",
    ", %I:%M:%S %p",
)
FORMATS = (
    *(date + clock for date in DATES for clock in CLOCKS),
    "%d/%b/%Y:%H:%M:%S %z",
    "%d %b %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%y %H:%M:%S",
    "%d-%b-%Y %H:%M",
    "%d-%b-%Y %I:%M %p",
    "%d-%b-%Y %I:%M:%S %p",
    "%d %b %Y %H:%M",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y, %H:%M:%S",
    "%b %d, %Y, %I:%M:%S %p",
    "%b %d, %Y %I:%M %p",
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Z %Y",
    "%d-%b-%y %I.%M.%S.%f %p",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M:%S%p",
    "%Y年%m月%d日 %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y-%m-%dT%H.%M.%S",
    "%Y-%m-%d-%H.%M.%S.%f",
    "%d/%m/%YT%H:%M:%S",
    "%Y-%j %H:%M:%S",
    "%Y-%jT%H:%M:%S",
    "%Y-%jT%H:%M:%S%z",
)
"""Formats that are tried where times are no ISO 8601 and no numbers."""


SINCE_YEAR_1, SINCE_1601 = 621_355_968_000_000_000, 116_444_736_000_000_000
"""1970 in units of 100 ns as .NET (since the year 1) and Windows (since 1601) count them."""

OTHER_COUNTS = {r"^6[2-4]\d{16}$": (".NET", SINCE_YEAR_1), r"^1[23]\d{16}$": ("Windows", SINCE_1601)}


@dataclass(frozen=True)
class TimeGuess:
    """How times are written.

    unit: as in `TimeColumn`; others: further formats that read all values as well; zoned: whether each value
    names its zone; dates: whether the values are whole days; clock: whether they are times of day alone.
    """

    unit: str
    others: tuple[str, ...] = ()
    zoned: bool = True
    dates: bool = False
    clock: bool = False

    @property
    def number(self) -> bool:
        """Return whether the times are numbers since 1970, which a code may look like."""
        return self.unit in UNITS

    @property
    def kind(self) -> str:
        """Return what the values are, in a word for a person."""
        if self.clock:
            return "time of day"
        if self.dates:
            return "date"
        return f"time in {self.unit}" if self.number else "time"


def guess_time(texts: pa.Array) -> TimeGuess | None:
    """Return how times are written, None if most texts are no times. texts: string [n], none empty."""
    for shape, format in COMPACT.items():
        if _share(texts, shape) >= MIN_PARSED_SHARE and _good(parse_text(texts, format, "UTC")):
            return TimeGuess(format, zoned=False)
    number = _number_unit(texts)
    if number is not None:
        return TimeGuess(number)
    clock = _clock(texts)
    if clock is not None:
        return TimeGuess(clock, zoned=False, clock=True)
    dates = _share(texts, DATE_ONLY) >= MIN_PARSED_SHARE
    if _share(texts, ISO_SHAPE) >= MIN_PARSED_SHARE:
        times = parse_text(texts, "auto", "UTC")
        if _good(times):
            # Dates without separators are digits, and only eight of them.
            zoned = not dates and _share(texts, ZONED) >= MIN_PARSED_SHARE
            return TimeGuess("auto", zoned=zoned, dates=dates)
    if _share(texts, JSON_DATE) >= MIN_PARSED_SHARE and _good(parse_text(texts, "auto", "UTC")):
        return TimeGuess("auto")
    # To match is far quicker than to parse, and most formats match nothing.
    first = texts[: min(len(texts), 50)]
    shapes = {format: format_regex(format, year_known=True) for format in FORMATS}
    fitting = [format for format, shape in shapes.items() if _share(first, shape) >= MIN_PARSED_SHARE]
    fitting = [format for format in fitting if _good(parse_text(first, format, "UTC"))]
    fitting = [format for format in fitting if _good(parse_text(texts, format, "UTC"))]
    if not fitting:
        return None
    return TimeGuess(fitting[0], tuple(fitting[1:]), "%z" in fitting[0] or "%Z" in fitting[0], dates)


def _clock(texts: pa.Array) -> str | None:
    """Return the format of times of day, whose seconds may be missing where it has colons."""
    if _share(texts, CLOCK) >= MIN_PARSED_SHARE:
        return COLONS
    if _share(texts, SIX_DIGITS) >= MIN_PARSED_SHARE:
        return "%H%M%S"
    if _share(texts, HALF_DAYS) < MIN_PARSED_SHARE:
        return None
    moments = pc.binary_join_element_wise("2000-01-01", texts, " ")
    formats = (clock for clock in HALF_DAY_FORMATS if _good(parse_text(moments, f"%Y-%m-%d {clock}", "UTC")))
    return next(formats, None)


def date_and_clock(date: str, clock: str, dates: pa.Array, clocks: pa.Array) -> str:
    """Return the format of a date and a time of day with a space between them.

    date, clock: their formats as guessed; dates, clocks: their texts.
    """
    if clock == COLONS:
        seconds = any(text.count(":") > 1 for text in clocks[:50].to_pylist())
        clock = "%H:%M:%S" if seconds else "%H:%M"
        if date == "auto":
            return date
    elif date == "auto":
        date = "%Y%m%d" if dates[0].as_py().strip().isdigit() else "%Y-%m-%d"
    return f"{date} {clock}"


def date_order(
    texts: pa.Array, block: NDArray[np.int64], units: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return the format in which times rise in the file's order, and all formats where none does alone.

    block: int64 [n], the consecutive piece of a file that a text is from.
    """
    rising = []
    for unit in units:
        seconds = parse(texts, unit, "UTC").to_numpy(zero_copy_only=False)
        step = np.diff(seconds)[np.diff(block) == 0]
        rising.append(float((step[~np.isnan(step)] >= 0).mean()) if len(step) else 0.0)
    best = int(np.argmax(rising))
    others = [share for position, share in enumerate(rising) if position != best]
    # One day in a month alone rises in both.
    if rising[best] > 0.99 and max(others) < 0.999 * rising[best]:
        return units[best], ()
    return units[best], units


def parse(texts: pa.Array, unit: str, zone: str, origin: str | None = None) -> pa.Array:
    """Return texts as seconds since 1970, float64 [n], null where they are no times."""
    mask = texts.is_null().to_numpy(zero_copy_only=False)
    times = parse_text(pc.fill_null(texts, ""), unit, zone, origin)
    return pa.array(times.seconds, mask=mask | ~times.valid)


def how_to_rewrite(texts: pa.Array) -> str:
    """Return what to write in place of times that no setting reads, empty if that is not known."""
    for shape, (program, start) in OTHER_COUNTS.items():
        if _share(texts, shape) >= MIN_PARSED_SHARE:
            return (
                f"these look like times of {program} in units of 100 ns: subtract {start}, divide by 10, and "
                "read the result with `unit: us`"
            )
    return ""


def _number_unit(texts: pa.Array) -> Literal["s", "ms", "us", "ns"] | None:
    """Return the unit in which nearly all numbers are of the years 1995 to 2034."""
    if _share(texts, r"^\s*\d{9,19}([.,]\d*)?\s*$|^\d(\.\d+)?[eE]\+?\d{1,2}$") < MIN_PARSED_SHARE:
        return None
    if _share(texts, r"^(19|20)\d{12}$") >= MIN_PARSED_SHARE:
        # 20200131235959, which is ISO 8601.
        return None
    plain = pc.replace_substring(texts, ",", ".")
    numbers = np.array([_float(text) for text in plain.to_pylist()])
    for unit, per_second in UNITS.items():
        inside = (numbers >= FIRST * per_second) & (numbers < LAST * per_second)
        if inside.mean() >= MIN_PARSED_SHARE:
            return unit  # type: ignore[return-value]
    return None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _good(times: Times) -> bool:
    inside = times.valid & (times.seconds >= 0) & (times.seconds < LAST)
    return bool(inside.mean() >= MIN_PARSED_SHARE)


def _share(texts: pa.Array, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(texts, pattern).cast(pa.float64())).as_py() or 0)
