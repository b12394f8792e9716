"""Formats of times as `strftime` writes them, as regular expressions."""

import re

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "B": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "d": r"\s?(?P<d>\d{1,2})",
    "e": r"\s?(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2})",
    "Z": r"(?P<z>Z|UTC|GMT)",
    "a": r"[A-Za-z]+",
    "A": r"[A-Za-z]+",
    "%": "%",
}
"""Regular expressions of the directives of `strftime`; names of months and days are English."""

COMPOSED = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M"}


def format_regex(format: str) -> str:
    """Return the regular expression of a `strftime` format, with named groups for its parts.

    Raises ValueError for a directive that is not known or is there twice, and for a format without a day.
    """
    for short, long in COMPOSED.items():
        format = format.replace(short, long)
    pattern, position = "", 0
    for match in re.finditer(r"%-?(.)", format):
        if match[1] not in DIRECTIVES:
            raise ValueError(f"{match[0]} is not known; known are " + ", ".join(f"%{d}" for d in DIRECTIVES))
        pattern += re.escape(format[position : match.start()]) + DIRECTIVES[match[1]]
        position = match.end()
    pattern = rf"^\s*{pattern}{re.escape(format[position:])}\s*$"
    try:
        groups = re.compile(pattern).groupindex
    except re.error:
        raise ValueError("one of its parts is there twice") from None
    if "d" not in groups or not {"m", "b"} & groups.keys() or not {"Y", "y"} & groups.keys():
        raise ValueError("it must name year, month and day")
    return pattern
