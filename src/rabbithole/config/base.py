"""What the sections of config.yaml share: the base class, types of values, and names of time zones."""

from difflib import get_close_matches
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import ConfigDict, Field

from rabbithole.specs.base import YamlNumbers

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Amount = Annotated[float, Field(gt=0, le=1e12)]
"""A sum of money, in any currency."""

MAX_NAME = 60
"""Letters of a name that becomes part of file names; file systems allow 255 bytes for all of them."""

DatasetName = Annotated[str, Field(pattern="^[a-z][a-z0-9_-]*$", max_length=MAX_NAME)]
ModelName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=MAX_NAME)]


class Section(YamlNumbers):
    """A part of config.yaml. Unknown keys and wrong types are refused. Only `1e3` and `~` are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


NO_ZONES = ("Factory", "localtime")
"""Names in the time zone database that stand for no place: another machine reads other times in them."""


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the time zones of places. The database is read once: it is a folder of files."""
    return frozenset(available_timezones().difference(NO_ZONES))


def checked_timezone(name: str) -> str:
    """Return the name of a time zone; raise ValueError for one that the database does not have."""
    known = zone_names()
    if name not in known:
        near = [zone for zone in sorted(known) if zone.lower() == name.lower()]
        near = near or get_close_matches(name, known, 1)
        raise ValueError("not a time zone" + (f"; did you mean {near[0]}?" if near else ""))
    return name
