"""Counts with their nouns, and lists, as in a sentence."""

from collections.abc import Sequence

NONE = "\N{EN DASH}"
"""What stands where there is no number."""


def number(value: float | None) -> str:
    """Write a number with thousands separators: 12,345; with two decimals unless it is an integer."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def plural(count: float, singular: str, plural: str | None = None, *, zero: str = "0") -> str:
    """Write a count with its noun: 1 buyer, 12 buyers; zero: in place of 0, such as "no"."""
    written = number(count) if count else zero
    return f"{written} {singular if count == 1 else plural or singular + 's'}"


def listed(parts: Sequence[str]) -> str:
    """Join words as in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
