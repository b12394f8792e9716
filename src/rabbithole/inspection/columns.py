"""Describe each column of a sample: how full, how many values, numbers, times."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property, reduce

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.amounts import GROUPED, PLAIN, SPACED, STRICT, Decimal, amount_regex
from rabbithole.inspection.sample import Sample
from rabbithole.inspection.times import TimeGuess, guess_time

NUMBER = amount_regex(*(kind[mark] for kind in (PLAIN, GROUPED, SPACED) for mark in (".", ",")))
FRACTION = r"[.,]\d+\D*$"
WHOLE_AS_FRACTION = r"^-?\d+\.0$"
POINT_THOUSANDS = amount_regex(GROUPED[","])
AMOUNT, CENTS = r"^\d{1,7}([.,]\d{1,2})?$", r"^\d{1,7}[.,]\d{2}$"

THOUSANDS = r"^\d{1,3}([., ]\d{3})*$"
COOKIE = r"^\d{3,}\.\d{3,}$"
ADDRESS = r"^(https?://|/)"
CODES = r"^\d+(,\d+)*$"
ROUNDED = r"^\d([.,]\d+)?[eE]\+\d{1,2}$"

NO_VALUES = pa.array(["null", "none", "nan", "na", "n/a", "undefined", "(null)", "<null>", "\\n", "-"])
"""What programs write where there is no value, in lower case."""

SAY_NOTHING = frozenset(
    ["id", "ids", "key", "code", "name", "nr", "no", "number", "type", "value", "uuid", "guid"]
)
"""Words by which the last part of a path says nothing without the part before it."""

TYPES = re.compile(r"\$(date|oid|uuid|timestamp|binary|number(Int|Long|Double|Decimal))|[SNBML]|BOOL")
"""Keys by which MongoDB and DynamoDB say the type of a value. Other names with `$` are those of columns."""

TIME_TEXTS = 4000
"""Values of a column that are parsed to find out whether it holds times."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a sample.

    values: string [rows], null where empty; zone: the time zone that its type names, None if none.
    """

    name: str
    values: pa.Array
    zone: str | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Return the name's words: lower case, without accents, for paths those of the last part."""
        return name_words(self.name)

    @property
    def key(self) -> str:
        """Return the name in lower case with `_` between its words."""
        return "_".join(self.words)

    @cached_property
    def filled(self) -> float:
        """Return the share of rows that are not empty."""
        return 1 - self.values.null_count / max(self.rows, 1)

    @cached_property
    def present(self) -> pa.Array:
        """Return the values that are not empty."""
        return self.values.drop_null()

    @cached_property
    def no_values(self) -> dict[str, int]:
        """Return how often each text occurs that probably means that there is no value."""
        likely = pc.is_in(pc.utf8_lower(self.present), NO_VALUES)
        counted = pc.value_counts(self.present.filter(likely)).to_pylist()
        return {pair["values"]: pair["counts"] for pair in counted}

    @cached_property
    def distinct(self) -> int:
        """Return the number of different values."""
        return int(pc.count_distinct(self.present).as_py())

    @cached_property
    def numeric(self) -> float:
        """Return the share of values that are numbers."""
        return self._share(NUMBER)

    @cached_property
    def fractions(self) -> float:
        """Return the share of values that are numbers with a fraction, or with a mark of thousands.

        It is 0 where all fractions are `.0`: pandas writes whole numbers so if some are missing, ids too.
        """
        share = self._share(NUMBER, FRACTION)
        return 0.0 if share and self._share(WHOLE_AS_FRACTION) >= share else share

    @cached_property
    def decimal_commas(self) -> float:
        """Return the share of values that are numbers only if the comma is the decimal mark."""
        return self._share(STRICT[","]) - self._share(STRICT[","], STRICT["."])

    @cached_property
    def decimal_points(self) -> float:
        """Return the share of values that are numbers only if the point is the decimal mark."""
        return self._share(STRICT["."]) - self._share(STRICT["."], STRICT[","])

    def misread_by(self, decimal: Decimal) -> bool:
        """Return whether a table's decimal mark is not that of these numbers, so that some are misread."""
        if decimal == ".":
            return self.decimal_commas > 0
        return self.decimal_points > 0 and self._share(POINT_THOUSANDS) > 0

    @cached_property
    def amounts(self) -> float:
        """Return the share of values that are plain numbers with two decimals at most, if some have two."""
        return self._share(AMOUNT) if self._share(CENTS) > 0.3 else 0.0

    @cached_property
    def cookies(self) -> float:
        """Return the share of values such as 1378651.1546300800, as Google Analytics names browsers."""
        return self._share(COOKIE)

    @cached_property
    def thousands(self) -> float:
        """Return the share of values that are whole numbers with marks of thousands, as in a spreadsheet."""
        return self._share(THOUSANDS)

    @cached_property
    def addresses(self) -> float:
        """Return the share of values that are addresses of pages."""
        return self._share(ADDRESS)

    @cached_property
    def codes(self) -> float:
        """Return the share of values that are lists of whole numbers such as 1,100,200, or one number."""
        return self._share(CODES)

    @cached_property
    def rounded(self) -> float:
        """Return the share of values such as 1.23457E+18, whose last digits a spreadsheet cut."""
        return self._share(ROUNDED)

    @property
    def is_unspaced(self) -> bool:
        """Return whether most values are one word: codes are no texts."""
        return self._share(r"\S\s+\S") < 0.5

    @cached_property
    def mean_length(self) -> float:
        """Return the mean number of characters of a value."""
        return float(pc.mean(pc.utf8_length(self.present)).as_py() or 0)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how often each value occurs, the most frequent first."""
        pairs = pc.value_counts(self.present).to_pylist()
        return {
            pair["values"]: pair["counts"]
            for pair in sorted(pairs, key=lambda pair: (-pair["counts"], pair["values"]))
        }

    @cached_property
    def time(self) -> TimeGuess | None:
        """Return how the column's times are written, None if it holds none."""
        step = max(1, len(self.present) // TIME_TEXTS)
        return guess_time(self.present[::step]) if len(self.present) else None

    @property
    def unit_values(self) -> float:
        """Return the share of values that are different: near 1 where all differ."""
        return self.distinct / max(len(self.present), 1)

    @property
    def kind(self) -> str:
        """Return what the values are, in a word for a person."""
        if not len(self.present):
            return "empty"
        if self.time is not None:
            return self.time.kind
        if self.numeric > 0.99:
            return "decimal" if self.fractions > 0.01 else "integer"
        return "text"

    def _share(self, *patterns: str) -> float:
        """Return the share of values that match all of some patterns."""
        if not len(self.present):
            return 0.0
        matching = (pc.match_substring_regex(self.present, pattern) for pattern in patterns)
        return float(pc.mean(reduce(pc.and_, matching).cast(pa.float64())).as_py())


def describe(sample: Sample) -> list[Column]:
    """Return the columns of a sample, in its order."""
    return [Column(name, values, sample.zones.get(name)) for name, values in sample.columns.items()]


def pairs(column: Column, other: Column) -> int:
    """Return how many different pairs of values two columns have."""
    table = pa.table({"column": column.values, "other": other.values}).drop_null()
    return len(table.group_by(["column", "other"]).aggregate([]))


def name_words(name: str) -> tuple[str, ...]:
    """Return the words of a column's name: `eventParams.pageURL` has page and url, `Prénom` prenom.

    The last part of a path names the column, with the part before it where it says nothing alone: `user.id`
    has user and id, `createdAt.$date` created and at, `ym:s:clientID` client and id.
    """
    plain = "".join(
        char
        for char in unicodedata.normalize("NFKD", name.replace("ß", "ss"))
        if not unicodedata.combining(char)
    )
    parts = [part for part in re.split("[.:]", plain) if part and not part.isdecimal()]
    named = [part for number, part in enumerate(parts) if not number or not TYPES.fullmatch(part)]
    parts = named or parts
    words = _split_words(parts[-1] if parts else plain)
    if len(parts) > 1 and set(words) <= SAY_NOTHING:
        return _split_words(parts[-2]) + words
    return words


def _split_words(name: str) -> tuple[str, ...]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", spaced.lower()))
