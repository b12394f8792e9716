"""Numbers as a reader wants them."""

from datetime import datetime
from typing import Any

NONE = "\N{EN DASH}"
GAP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def number(value: float | None) -> str:
    """Write a number with thousands apart: 12,345; two digits of a fraction if it has one."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def factor(value: float | None) -> str:
    """Write how many times as much: 5.5."""
    return NONE if value is None else f"{value:.1f}"


def share(value: float | None) -> str:
    """Write a share as a percentage with two or three telling digits: 0.81 %, 5.5 %, 84 %."""
    if value is None:
        return NONE
    percent = value * 100
    if 0 < percent < 0.01:
        return f"under 0.01{GAP}%"
    exact = percent in (0, 100)
    digits = 0 if exact or 10 <= percent <= 99 else 1 if 1 <= percent < 99.9 else 2
    return f"{percent:.{digits}f}{GAP}%"


def area(value: float | None) -> str:
    """Write an AUC or another figure between 0 and 1 with three digits."""
    return NONE if value is None else f"{value:.3f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """Write a difference with its sign and three digits."""
    return NONE if value is None else f"{value:+.3f}".replace("-", MINUS)


def amount(value: float) -> str:
    """Write an amount of money in the user's currency: 1,897, -585 with a minus sign, 2.50."""
    return f"{value:,.0f}".replace("-", MINUS) if abs(value) >= 10 else f"{value:,.2f}".replace("-", MINUS)


def chance(p: float) -> str:
    """Write a p-value."""
    written = "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
    return f"p {written}".replace(" ", GAP)


def duration(seconds: float | None) -> str:
    """Write a duration: 0.4 s, 25 s, 3 min 20 s, 2 h 05 min."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def day(moment: str | None) -> str:
    """Write the day of a time in ISO form: 7 April 2014; what is no time stays as it is."""
    if moment is None:
        return NONE
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{when.day} {when:%B %Y}"


def minute(moment: str | None) -> str:
    """Write a time in ISO form to the minute, with its zone: 7 April 2014, 10:51 UTC."""
    if moment is None:
        return NONE
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{day(moment)}, {when:%H:%M} {when.tzname() or ''}".rstrip()


def listed(parts: list[str]) -> str:
    """Join words as a sentence does: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def plural(count: float, one: str, many: str | None = None) -> str:
    """Write a count with its noun: 1 buyer, 12 buyers."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


FILTERS: dict[str, Any] = {
    "number": number,
    "share": share,
    "factor": factor,
    "area": area,
    "signed": signed,
    "amount": amount,
    "chance": chance,
    "duration": duration,
    "day": day,
    "minute": minute,
}
