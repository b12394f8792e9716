"""Names of time zones."""

from difflib import get_close_matches
from zoneinfo import available_timezones

NO_ZONES = ("Factory", "localtime")
"""Names in the time zone database that stand for no place: another machine reads other times in them."""


def checked_timezone(name: str) -> str:
    """Return the name of a time zone; raise ValueError for one that the database does not have."""
    known = available_timezones().difference(NO_ZONES)
    if name not in known:
        near = [zone for zone in sorted(known) if zone.lower() == name.lower()]
        near = near or get_close_matches(name, known, 1)
        raise ValueError("not a time zone" + (f"; did you mean {near[0]}?" if near else ""))
    return name
