"""How the columns of a shop's own log become events: the section `datasets.NAME.table`, and its step's spec.

One model serves the settings and the step `events`, so that no key is copied from one to the other.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rabbithole.specs.base import Spec
from rabbithole.specs.table_columns import (
    Category,
    CategoryColumn,
    Column,
    Columns,
    Event,
    EventColumn,
    FieldColumn,
    FieldKind,
    Time,
    level_name,
)

PURCHASE, CART = "transaction", "addtocart"
"""The names of events that mean a purchase or an add-to-cart. All other names are the log's own."""

MISSPELT = {"view": "view", "addtocart": CART, "transaction": PURCHASE, "purchase": PURCHASE}
"""Names with a meaning, by the letters of what a user may write for them."""

RESERVED_FIELDS = frozenset(
    [
        "session_id",
        "visitor",
        "timestamp",
        "event",
        "item",
        "category",
        "cost",
        "position",
        "rest",
        "hour",
        "weekday",
        "month",
        "week",
        "dwell",
        "start",
        "end",
        "split",
        "buyer",
        "open",
        "events",
        "session",
        "root",
    ]
)
"""Columns of events, sessions and windows, and the root of a category: no further field may be called so."""

LEVEL = re.compile(r"category_\d+")


def is_encoding(name: str) -> bool:
    """Return whether lines can be read in an encoding: one that contains ASCII, or UTF-16."""
    ascii_bytes = bytes(range(128))
    try:
        return name == "utf-16" or ascii_bytes.decode(name) == ascii_bytes.decode("ascii")
    except (LookupError, ValueError):
        return False


def refuse_meaningless(event: EventColumn) -> None:
    """Raise ValueError for a name that is nearly one with a meaning, and where purchases are left out."""
    for name in filter(None, (event.name, event.empty, *event.words.values())):
        meant = MISSPELT.get(re.sub(r"[\W_]", "", name.lower()), name)
        if meant != name:
            raise ValueError(f"event: {name!r} has no meaning here; write {meant!r}")
    if event.leaves_out(PURCHASE) and PURCHASE not in event.words.values():
        raise ValueError(f"event.leave_out: without {PURCHASE!r} nobody buys")


def repeated_names(names: list[str]) -> list[str]:
    """Return the names that come twice; columns without a name may be many."""
    return [name for name, count in Counter(names).items() if count > 1 and name]


FIELD_NAME = r"^[^\W\d_A-Z][^\WA-Z]*$"
"""Letters of any script, digits and `_`, but no capital of the Latin one."""

FieldName = Annotated[str, Field(pattern=FIELD_NAME, max_length=100)]


class TableSpec(Spec):
    """One table of a log: its files, how they are written, and which column is what.

    A line becomes one event; with `explode` one for each item of an array.
    """

    files: str | list[str] | None = Field(
        None, description="Which files of `source` belong to this table, such as `*.csv`. null: all."
    )
    kind: Literal["csv", "json", "parquet"] | None = Field(
        None,
        description="`csv`: any text with a separator; `json`: one object a line; `parquet`. null: "
        "detected from the content.",
    )
    separator: str = Field(",", min_length=1, max_length=1, description="CSV: between two fields.")
    quote: str | None = Field(
        '"', min_length=1, max_length=1, description="CSV: around a field that holds a separator. null: none."
    )
    header: bool | list[str] = Field(
        True,
        description="CSV: `true`: the first line names the columns; `false`: columns are numbers from 1; or "
        "the names of all columns of files without header.",
    )
    multiline: bool = Field(
        False,
        description="CSV: whether a quoted field may hold line breaks. Such a record counts as one line, and "
        "one task reads the file from its beginning.",
    )
    skip_lines: int = Field(
        0, ge=0, le=1000, description="CSV: lines before the header, such as remarks or `sep=;`."
    )
    encoding: str | None = Field(
        None,
        description="Encoding of text, such as `windows-1252`, `utf-16` or `gb18030`. null: by the byte "
        "order mark, else UTF-8.",
    )
    decimal: Literal[".", ","] = Field(
        ".", description="Decimal mark of numbers. The other mark may part thousands."
    )
    missing: list[str] = Field(
        default=[],
        description="Texts that mean that there is no value, such as `NULL` or `\\N`. An empty field "
        "always does.",
    )
    explode: str | None = Field(
        None,
        description="Path of an array. Each of its items is an event, whose columns are below this path, "
        "such as `items.item_id`. In CSV: a column whose cells hold such arrays, or lists with "
        "`list_separator`.",
    )
    list_separator: str | None = Field(
        None,
        min_length=1,
        description="CSV: what stands between the items in a cell of the column `explode`, such as `|`. "
        "null: its cells hold JSON arrays.",
    )
    session: Columns | None = Field(
        None, description="The column with the session, or several that name it together."
    )
    visitor: Column | None = Field(None, description="The column with the visitor.")
    time: Time = Field(description="The column with the time, or a section.")
    event: Event = Field(description="One name for all lines, such as `view`, or a section.")
    item: Columns | None = Field(
        None, description="The column with the item. Of several, the first not empty."
    )
    category: Category | None = Field(
        None, description="The column with the item's category, or a section for a path."
    )
    cost: Columns | None = Field(None, description="The column with the price.")
    fields: dict[FieldName, FieldColumn] = Field(
        default={}, description="Further columns that the models see, each under a name of your choice."
    )

    @model_validator(mode="after")
    def is_complete(self) -> "TableSpec":
        """Refuse a table without a key, and names of fields that are taken."""
        if self.session is None and self.visitor is None:
            raise ValueError("session or visitor must be given: the column that names who acted")
        if isinstance(self.files, list) and len({*self.files}) < len(self.files):
            raise ValueError("files: a pattern stands there twice")
        refuse_meaningless(self.event)
        for name in self.fields:
            if name in RESERVED_FIELDS or LEVEL.fullmatch(name):
                raise ValueError(f"fields.{name}: this name is taken; choose another")
        for key, mark in (("separator", self.separator), ("quote", self.quote)):
            if mark is not None and (not mark.isascii() or mark in "\r\n"):
                raise ValueError(f"{key}: must be one ASCII character within the line")
        if self.separator == self.quote:
            raise ValueError("separator and quote must differ")
        if self.encoding is not None and not is_encoding(self.encoding):
            raise ValueError(
                f"encoding: {self.encoding!r} can't be read; known are utf-8, utf-16 and Python's names of "
                "encodings that contain ASCII, such as windows-1252"
            )
        if isinstance(self.header, list) and (repeated := repeated_names(self.header)):
            raise ValueError(f"header: {repeated[0]!r} names two columns")
        if self.skip_lines and self.kind in ("json", "parquet"):
            raise ValueError(
                f"skip_lines: lines before the header are left out of CSV alone, not of {self.kind}"
            )
        if self.multiline and (self.kind in ("json", "parquet") or self.quote is None):
            raise ValueError("multiline: only quoted fields of CSV hold line breaks")
        if self.list_separator is not None and (self.explode is None or self.kind in ("json", "parquet")):
            raise ValueError("list_separator: it parts the items in the column `explode` of a CSV file")
        return self

    @property
    def field_kinds(self) -> dict[str, FieldKind]:
        """Return the kind of each further field, levels of the category included, sorted by name."""
        kinds: dict[str, FieldKind] = {name: field.kind for name, field in self.fields.items()}
        for level in range(1, 1 + (self.category.levels if self.category is not None else 0)):
            kinds[level_name(level)] = "category"
        return dict(sorted(kinds.items()))

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Return the columns of the files that events are made of, each once."""
        time, category = self.time, self.category
        singles = (self.visitor, time.date, time.offset)
        several = [self.session, time.column, self.event.column, self.item, self.cost]
        several += [category.column if category is not None else None]
        several += [self.fields[name].column for name in sorted(self.fields)]
        names = [name for name in singles if name is not None]
        names += [name for columns in several if columns is not None for name in columns]
        return tuple(dict.fromkeys(names))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Return the columns of which an event must have at least one word: its key, time and kind.

        Where the first of several columns that is not empty counts, none of them is required. Nor is a kind
        that may be empty.
        """
        keys = self.session if self.session is not None else [str(self.visitor)]
        joined = self.time.column if self.time.joined else []
        kind = self.event.column if self.event.empty is None else None
        single = [names for names in (self.time.column, kind) if names is not None]
        return tuple(dict.fromkeys([*keys, *joined, *(names[0] for names in single if len(names) == 1)]))

    @property
    def essential_columns(self) -> tuple[tuple[str, ...], ...]:
        """Return the columns without which a line is no event, as groups of which one column is enough."""
        joined = self.time.column if self.time.joined else []
        all_of = [*(self.session or []), self.visitor, self.time.date, self.time.offset, *joined]
        kind = self.event.column if self.event.empty is None else None
        one_of = [None if joined else self.time.column, kind]
        groups = [(name,) for name in all_of if name is not None]
        return (*groups, *(tuple(names) for names in one_of if names is not None))

    @property
    def may_have_carts(self) -> bool:
        """Return whether an event of this table may be an add-to-cart."""
        return self.event.column is not None or self.event.name == CART

    def for_events(self) -> "TableSpec":
        """Return the table without what the step `events` does not read: minimum counts."""
        fields = {
            name: FieldColumn(column=field.column, kind=field.kind) for name, field in self.fields.items()
        }
        return self.model_copy(update={"fields": fields})


Tables = dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], TableSpec]
"""Tables by name. Order has no meaning: see `ordered`."""


def ordered(tables: Mapping[str, TableSpec]) -> list[str]:
    """Return the names of tables in the order in which they are read.

    At equal times the events of an earlier table come first: those of purchases alone are last.
    """
    return sorted(tables, key=lambda name: (tables[name].event.name == PURCHASE, name))


def all_field_kinds(tables: Iterable[TableSpec]) -> dict[str, FieldKind]:
    """Return the kind of each further field of all tables, sorted by name.

    Raises ValueError when two tables disagree about a field.
    """
    kinds: dict[str, FieldKind] = {}
    for table in tables:
        for name, kind in table.field_kinds.items():
            if kinds.setdefault(name, kind) != kind:
                raise ValueError(f"fields.{name}: it is a category in one table and a number in another")
    return dict(sorted(kinds.items()))


def category_path(tables: Iterable[TableSpec]) -> CategoryColumn | None:
    """Return how the levels of a category stand in its path, None where no table has levels.

    Raises ValueError when two tables disagree.
    """
    paths = [table.category for table in tables if table.category is not None and table.category.levels]
    for path in paths:
        if (path.separator, path.levels) != (paths[0].separator, paths[0].levels):
            raise ValueError("category: its separator and levels must be the same in all tables")
    return paths[0] if paths else None


def minimum_counts(tables: Iterable[TableSpec]) -> dict[str, int]:
    """Return the minimum count of each further category of all tables (the largest), sorted by name."""
    default: int = FieldColumn.model_fields["minimum_count"].default
    counts: dict[str, int] = {}
    for table in tables:
        for name, kind in table.field_kinds.items():
            if kind == "category":
                count = table.fields[name].minimum_count if name in table.fields else default
                counts[name] = max(counts.get(name, 0), count)
    return dict(sorted(counts.items()))
