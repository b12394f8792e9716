"""The columns of a table in the settings: how they are named, and how times, events and fields are read."""

import re
from datetime import date, datetime
from functools import cache, partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rabbithole.specs.base import Spec

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

BLANK = "[\\s\u00a0\u202f]"
"""A blank, also one at which no line breaks, as browsers write it before AM and PM, and within `a. m.`."""

DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "B": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "d": r"\s?(?P<d>\d{1,2})",
    "j": r"(?P<j>\d{1,3})",
    "e": r"\s?(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "p": rf"(?P<p>[AaPp])\.?{BLANK}?[Mm]\.?",
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

COUNTED_UNITS = ("s", "ms", "us", "ns", "min", "h", "d")
"""Units in which numbers may count from an origin; the first four also count from 1970."""

COMPOSED = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M"}


@cache
def format_regex(format: str, *, year_known: bool = False) -> str:
    """Return the regular expression of a `strftime` format, with named groups for its parts.

    year_known: whether the format needs no year. Raises ValueError for a directive that is not known or is
    there twice, for a format without a day, and for one of the two of %I and %p.
    """
    for short, long in COMPOSED.items():
        format = format.replace(short, long)
    pattern, position = "", 0
    for match in re.finditer(r"%-?(.)", format):
        if match[1] not in DIRECTIVES:
            raise ValueError(f"{match[0]} is not known; known are " + ", ".join(f"%{d}" for d in DIRECTIVES))
        directive = DIRECTIVES[match[1]]
        if position == match.start() > 0:
            # Without anything between them, only the first number may lack its zero: 828 is 28 August.
            directive = directive.replace(r"\d{1,2}", r"\d{2}").replace(r"\d{1,3}", r"\d{3}")
        pattern += _literal(format[position : match.start()]) + directive
        position = match.end()
    pattern = rf"^\s*{pattern}{_literal(format[position:])}\s*$"
    try:
        groups = re.compile(pattern).groupindex
    except re.error:
        raise ValueError("one of its parts is there twice") from None
    has_year = year_known or {"Y", "y"} & groups.keys()
    if "j" in groups and {"m", "b", "d"} & groups.keys():
        raise ValueError("%j, the day of the year, needs no month and no day")
    has_day = "j" in groups or ("d" in groups and {"m", "b"} & groups.keys())
    if not has_day or not has_year:
        raise ValueError("it must name year, month and day, or year and day of the year (%j)")
    if ("I" in groups) != ("p" in groups):
        raise ValueError("%I, the hour of a clock with AM and PM, and %p need each other; else write %H")
    return pattern


def _literal(text: str) -> str:
    """Return the regular expression of what stands between the directives of a format."""
    return BLANK.join(map(re.escape, text.split(" ")))


def _column_name(value: object) -> object:
    """Return a column's number as text: files without header name their columns 1, 2 and so on."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError("columns are numbered from 1")
        return str(value)
    return value


def _column_names(value: object) -> object:
    """Return one column or several as a list of names."""
    return [_column_name(column) for column in value] if isinstance(value, list) else [_column_name(value)]


def _section(key: str, value: object) -> object:
    """Return what stands for a section of one key as that section."""
    return value if isinstance(value, dict | Spec) else {key: value}


def _category(value: object) -> object:
    """Return a column as a category that is no path."""
    return value if isinstance(value, dict | Spec) else {"column": value, "levels": 0}


Number = Annotated[int, Field(ge=1, le=1_000_000)]

Column = Annotated[
    str, Field(min_length=1), BeforeValidator(_column_name, json_schema_input_type=str | Number)
]
"""A column by its name, or by its number from 1 in a file without header.

In JSON and Parquet a path with dots: `a.b` is key b of the object a, `a.0` is the first item of the array a,
and `a.b` is also the value of the key b in an array a of {key, value} objects. Such a path also reads into
a text that holds JSON.
"""

Columns = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(_column_names, json_schema_input_type=str | Number | list[str | Number]),
]
"""A column, or several in a list."""

FieldKind = Literal["category", "number"]


def level_name(level: int) -> str:
    """Return the name of the field with a level of the category, from 1."""
    return f"category_{level}"


def _moment(value: object) -> object:
    """Return a date or time of YAML as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


class TimeColumn(Spec):
    """Where the time of an event is, and how it is written."""

    column: Columns = Field(
        description="The column with the time. Of several, the first that is not empty; see `joined`."
    )
    joined: bool = Field(
        False,
        description="Whether several columns make up the time together, with a blank between them, such as "
        "`[year, month, day]` with the unit `%Y %m %d`.",
    )
    unit: str = Field(
        "auto",
        min_length=1,
        description="`iso`: ISO 8601; `s`, `ms`, `us` or `ns`: a number since 1970; a format such as "
        "`%d/%m/%Y %H:%M`; `auto`: ISO, or a number whose unit follows from its length. With `origin` also "
        "`min`, `h` or `d`.",
    )
    origin: Annotated[str, BeforeValidator(_moment, json_schema_input_type=str)] | None = Field(
        None,
        description="The moment from which numbers count, such as `2020-01-01`, if not 1970. For a format "
        "without a year, its year counts.",
    )
    zone: str = Field(
        "UTC",
        description="Time zone (IANA name) of times that name none. A local time that occurs twice is the "
        "first of the two; one that does not exist, as clocks go forward, is the moment when they do.",
    )
    date: Column | None = Field(
        None, description="The column with the date, where `column` holds the time of day alone."
    )
    offset: Column | None = Field(
        None, description="A column with the time since the beginning of the day in `column`."
    )
    offset_unit: Literal["s", "ms", "us", "ns", "min", "h", "clock"] = Field(
        "ms", description="Unit of `offset`. `clock`: a time of day such as `14:30`, `14:30:05` or `1430`."
    )

    @field_validator("unit")
    @classmethod
    def unit_is_known(cls, unit: str) -> str:
        """Refuse a unit that is neither in the list nor a format."""
        if unit in ("auto", "iso", *COUNTED_UNITS):
            return unit
        if "%" not in unit:
            raise ValueError("must be auto, iso, s, ms, us, ns or a format such as %d/%m/%Y %H:%M")
        format_regex(unit, year_known=True)
        return unit

    @field_validator("origin")
    @classmethod
    def origin_is_a_time(cls, origin: str | None) -> str | None:
        """Refuse an origin that is no date or time, or one of a far year."""
        if origin is not None:
            try:
                year = datetime.fromisoformat(origin).year
            except ValueError:
                raise ValueError(f"{origin!r} is no date; write it as 2020-01-01") from None
            if not 1800 <= year <= 2099:
                raise ValueError(f"the year {year} is not 1800 to 2099")
        return origin

    @model_validator(mode="after")
    def is_one_way(self) -> "TimeColumn":
        """Refuse a date in a column of its own together with an offset."""
        if self.date is not None and self.offset is not None:
            raise ValueError("give either `date` or `offset`")
        if self.joined and (len(self.column) < 2 or self.date is not None):
            raise ValueError("joined: give all columns in `column`, as a list, and no `date`")
        if "%" in self.unit:
            format_regex(self.unit, year_known=self.origin is not None)
        elif self.origin is None and self.unit in ("min", "h", "d"):
            raise ValueError(f"unit: {self.unit} needs `origin`, the moment from which the numbers count")
        elif self.origin is not None and (self.unit not in COUNTED_UNITS or self.date or self.joined):
            units = ", ".join(COUNTED_UNITS)
            raise ValueError(f"origin: numbers of one column count from it; give `unit` as one of {units}")
        return self


def fits(word: str, pattern: str) -> bool:
    """Return whether a word is what a pattern says, in which `*` stands for any text."""
    return word == pattern or ("*" in pattern and _regex(pattern).fullmatch(word) is not None)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


class EventColumn(Spec):
    """What happened: a column with its words, or one name for all lines."""

    column: Columns | None = Field(
        None, description="The column with the kind of event. Of several, the first that is not empty."
    )
    name: str | None = Field(
        None,
        min_length=1,
        description="In place of `column`: the kind of event of all lines, such as `view`.",
    )
    words: dict[str, str] = Field(
        default={},
        description="The log's words for `view`, `addtocart` and `transaction` (a purchase), such as "
        "`{pv: view, cart: addtocart, buy: transaction}`. `*` stands for any text, as in `/cart/*`; of "
        "several that fit, the longest counts. Words that are not listed stay as they are.",
    )
    empty: str | None = Field(
        None,
        min_length=1,
        description="The kind of event of lines in which the column is empty, such as `view` where only "
        "purchases have an order number. null: such lines are rejected.",
    )
    leave_out: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="The log's words for events that nobody acted on, such as `[session_end]`: they are left "
        "out and counted. `*` stands for any text. An event that is only written when a session ends without "
        "a purchase would give the models the answer.",
    )

    @model_validator(mode="after")
    def is_column_or_name(self) -> "EventColumn":
        """Refuse both or neither of the two."""
        if (self.column is None) == (self.name is None):
            raise ValueError("give either `column` or `name`")
        return self

    @model_validator(mode="after")
    def leaves_out_words(self) -> "EventColumn":
        """Refuse words without a column that holds them, and words that are left out and translated."""
        for key, words in (("words", self.words), ("leave_out", self.leave_out)):
            if words and self.column is None:
                raise ValueError(f"{key} needs `column`")
        if "" in self.words:
            raise ValueError("words: an empty field is no word; `empty` says what its line is")
        if self.empty is not None and self.column is None:
            raise ValueError("empty needs `column`")
        if both := [word for word in self.leave_out if word in self.words]:
            raise ValueError(f"{both[0]!r} stands in both words and leave_out")
        return self

    def kind_of(self, word: str) -> str:
        """Return what a word of the log becomes: what `words` says of it, else the word itself."""
        if word in self.words:
            return self.words[word]
        fitting = [key for key in self.words if "*" in key and fits(word, key)]
        return self.words[max(fitting, key=lambda key: (len(key), key))] if fitting else word

    def leaves_out(self, word: str) -> bool:
        """Return whether events with a word of the log are left out."""
        return any(fits(word, pattern) for pattern in self.leave_out)


class CategoryColumn(Spec):
    """A category that is a path, such as electronics.audio.headphone."""

    column: Columns = Field(description="The column with the category.")
    separator: str = Field(".", min_length=1, description="What stands between the levels of the path.")
    levels: int = Field(
        2,
        ge=0,
        le=9,
        description="The first levels become fields of their own, `category_1` and so on, each with the path "
        "down to its level.",
    )


class FieldColumn(Spec):
    """A further column that the models see."""

    column: Columns = Field(description="The column. Of several, the first that is not empty.")
    kind: FieldKind = Field("category", description="`category`: words or codes; `number`: a quantity.")
    minimum_count: int = Field(
        5,
        ge=1,
        le=1_000_000_000,
        description="Values of a category with fewer events in train share one code, `rare`.",
    )


Time = Annotated[
    TimeColumn, BeforeValidator(partial(_section, "column"), json_schema_input_type=Columns | TimeColumn)
]
"""A section, or the column alone."""

Event = Annotated[
    EventColumn, BeforeValidator(partial(_section, "name"), json_schema_input_type=str | EventColumn)
]
"""A section, or one name for all lines."""

Category = Annotated[
    CategoryColumn, BeforeValidator(_category, json_schema_input_type=Columns | CategoryColumn)
]
"""A section for a path, or the column of a category that is none."""
