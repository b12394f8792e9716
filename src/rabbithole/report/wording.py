"""Numbers, times and lists as text, and figures as inline SVG."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from markupsafe import Markup, escape

from rabbithole.counts import NONE, listed, number, plural
from rabbithole.io.digests import without_comment

GAP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def factor(value: float | None) -> str:
    """Write a ratio with one decimal: 5.5."""
    return NONE if value is None else f"{value:.1f}"


def share(value: float | None) -> str:
    """Write a fraction as a percentage of two or three significant digits: 0.81 %, 5.5 %, 84 %."""
    if value is None:
        return NONE
    percent = value * 100
    if 0 < percent < 0.01:
        return f"under 0.01{GAP}%"
    exact = percent in (0, 100)
    digits = 0 if exact or 10 <= percent <= 99 else 1 if 1 <= percent < 99.9 else 2
    return f"{percent:.{digits}f}{GAP}%"


def decimals(value: float | None, digits: int = 2) -> str:
    """Write a number with a fixed number of decimals."""
    return NONE if value is None else f"{value:z.{digits}f}".replace("-", MINUS)


def metric(value: float | None) -> str:
    """Write an AUC, or another metric, with three decimals."""
    return decimals(value, 3)


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference with its sign and a fixed number of decimals."""
    return NONE if value is None else f"{value:+z.{digits}f}".replace("-", MINUS)


def amount(value: float) -> str:
    """Write an amount of money in the user's currency: 1,897, -585 with a minus sign, 2.50."""
    return f"{value:z,.{0 if abs(value) >= 10 else 2}f}".replace("-", MINUS)


def chance(p: float) -> str:
    """Write a p-value."""
    text = "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
    return f"p {text}".replace(" ", GAP)


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


def minute(moment: str) -> str:
    """Write a time in ISO form to the minute, with its zone: 7 April 2014, 10:51 UTC."""
    time = datetime.fromisoformat(moment)
    return f"{time.day} {time:%B %Y, %H:%M} {time.tzname() or ''}".rstrip()


def capitalised(text: str) -> str:
    """Return a text whose first letter is a capital; all others stay as they are."""
    return text[:1].upper() + text[1:]


def interval(low: float | None, high: float | None) -> str:
    """Write the ends of an interval with three decimals: [0.81, 0.85]."""
    return f"[{metric(low)}, {metric(high)}]"


def with_code(text: str) -> Markup:
    """Return a message as HTML: escaped, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


FILTERS: dict[str, Callable[..., str]] = {
    "number": number,
    "share": share,
    "factor": factor,
    "decimals": decimals,
    "metric": metric,
    "signed": signed,
    "amount": amount,
    "duration": duration,
    "plural": plural,
    "listed": listed,
    "capitalised": capitalised,
    "with_code": with_code,
}
"""Filters of the templates."""


def inline_svg(path: Path, prefix: str) -> Markup:
    """Return a figure's SVG as a part of the page.

    `prefix` is put before its ids, as those of two figures may be equal. Raises `UserError` if the file is
    damaged.
    """
    text = without_comment(path)
    start = text.index("<svg")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", text[start:])
    return Markup(text.strip())
