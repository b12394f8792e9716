"""A packaged model in Python: `Model.load(path).predict(events)`."""

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.artifacts.data import Fields
from rabbithole.artifacts.serving import ModelManifest
from rabbithole.errors import UserError
from rabbithole.formats.columns import FIRST_YEAR, LAST_YEAR, MAX_COST
from rabbithole.formats.mapping import category_levels
from rabbithole.ingest.event_task import EVENT_SCHEMA
from rabbithole.io.columns import whole
from rabbithole.io.sorting import sort_rows
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.serving.scoring import Scorer
from rabbithole.serving.sessions import encode_sessions, prediction_plan
from rabbithole.serving.summary import unknown_events
from rabbithole.sessions.event_tables import needs_shuffle
from rabbithole.sessions.histories import with_history_key
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.specs.table import CART, PURCHASE
from rabbithole.specs.table_columns import CategoryColumn
from rabbithole.windows.arrays import windows_of
from rabbithole.windows.fields import STANDARD


class Model:
    """A trained model that scores tables of events in memory."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        self.scorer = Scorer.load(folder)
        fields = folder.encoder.fitted.fields
        # A history adds this field; the events do not have it.
        added = (SESSIONS_AGO,) if self.manifest.sessions.history else ()
        known = {*STANDARD.categorical, *added}
        self.further = Fields(
            categorical=tuple(name for name in fields.categorical if name not in known),
            numeric=tuple(name for name in fields.numeric if name not in STANDARD.numeric),
        )

    @classmethod
    def load(cls, path: str | Path) -> "Model":
        """Load a model folder; raises `UserError` when it is damaged or of an unknown version."""
        return cls(load_folder(Path(path)))

    @property
    def manifest(self) -> ModelManifest:
        """Return what the model is: data, metrics and versions."""
        return self.folder.manifest

    def predict(self, events: Any, *, running: bool = False) -> pa.Table:
        """Return the probability of a purchase of each session in a table of events.

        events: a pandas, Polars or Arrow table with the columns `timestamp` and `session_id` (or `visitor`,
        where the model's sessions are visitors), and those of `event`, `item`, `category` and `cost` that
        the shop has; times without a zone are UTC; running: whether the sessions still run (will they buy?)
        or have ended (do they hold a purchase?). The result has the columns `session_id`, `visitor`,
        `start`, `end`, `events`, `bought` and `probability`, sorted by session. Sessions without an event
        before their first purchase have no row. A model with history takes that of each session from the
        same table. Kinds of events that the model does not know are scored, with a `UserWarning`. Raises
        `UserError` for a table that lacks a column or has other values in it, and for an event without a
        session or a time.
        """
        table = sort_rows(
            event_table(
                events,
                self.further,
                by_visitor=self.manifest.sessions.by == "visitor",
                path=self.folder.category_path(),
            )
        )
        words = pc.unique(table["event"])
        left_out = [word for word in words.to_pylist() if self.folder.leaves_out(word)]
        table = table.filter(pc.invert(pc.is_in(table["event"], pa.array(left_out, pa.string()))))
        kinds = table["event"].drop_null().value_counts().to_pylist()
        counts = {kind["values"]: kind["counts"] for kind in kinds}
        for warning in unknown_events(self.folder, counts, f"call it {PURCHASE!r} or {CART!r}"):
            warnings.warn(warning, stacklevel=2)
        side = self.folder.side_tables()
        if side is not None:
            table = side.add_to(table)
        plan = prediction_plan(
            self.manifest.sessions,
            open_from=np.iinfo(np.int64).min if running else np.iinfo(np.int64).max,
            prices=self.folder.prices(),
            further=self.further,
        )
        if needs_shuffle(plan.spec):
            table = with_history_key(table)
        encoded, _ = encode_sessions(table, plan, self.folder.encoder)
        encoded = encoded.sort_by("session_id")
        probability = np.empty(0)
        if len(encoded):
            windows = windows_of(encoded, self.folder.encoder.fitted.fields)
            probability = self.scorer.probabilities(windows, np.full(len(windows), running))
        kept = encoded.select(["session_id", "visitor", "start", "end", "events"])
        bought = encoded["buyer"].cast(pa.bool_())
        return kept.append_column("bought", bought).append_column("probability", pa.array(probability))


def event_table(
    events: Any, further: Fields, *, by_visitor: bool, path: CategoryColumn | None = None
) -> pa.Table:
    """Return a table of events in the schema of events and further fields, in the given order.

    path: how the levels of a category stand in it, None without levels. As in a log, an empty text is no
    value, and a negative price is none.
    """
    schema = pa.schema(
        [
            *EVENT_SCHEMA,
            *((name, pa.string()) for name in further.categorical),
            *((name, pa.float64()) for name in further.numeric),
        ]
    )
    table = _arrow_table(events)
    key = "visitor" if by_visitor and "session_id" not in table.column_names else "session_id"
    for name in ("timestamp", key):
        if name not in table.column_names:
            raise UserError(
                f"The table of events has no column {name!r}: it has {', '.join(table.column_names)}."
            )
    columns = {name: _decoded(table[name]) for name in table.column_names if name in schema.names}
    columns["session_id"] = _decoded(table[key])
    columns.setdefault("event", pa.array(["view"] * len(table)))
    if by_visitor:
        columns["visitor"] = columns["session_id"]
    columns["timestamp"] = _times(table["timestamp"])
    nulls = {field.name: pa.nulls(len(table), field.type) for field in schema}
    columns["position"] = pa.array(np.arange(len(table)))
    try:
        cast = pa.table(nulls | columns).select(schema.names).cast(schema).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"The table of events has a column of another type: {error}") from error
    for name, column in (("timestamp", cast["timestamp"]), (key, cast["session_id"])):
        if column.null_count:
            raise UserError(f"The table of events has no {name!r} in {column.null_count:,} of its rows.")
    years = pc.min_max(pc.year(cast["timestamp"])).as_py()
    for year in filter(None, years.values()):
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise UserError(
                f"The table of events has a 'timestamp' in the year {year}, not {FIRST_YEAR} to {LAST_YEAR}. "
                "Numbers count microseconds since 1970; pandas.to_datetime reads other ones."
            )
    taken = _as_in_a_log(cast)
    if (pc.max(taken["cost"]).as_py() or 0.0) > MAX_COST:
        raise UserError(f"The table of events has a 'cost' over {MAX_COST:,.0f}, which a log may not have.")
    return _with_levels(taken, path, [name for name in further.categorical if name not in columns])


def _as_in_a_log(table: pa.Table) -> pa.Table:
    """Return events with nulls for empty texts and negative prices; those without a kind are views."""
    columns = {name: table[name] for name in table.column_names}
    for name, column in columns.items():
        if pa.types.is_string(column.type) and name != "session_id":
            columns[name] = pc.if_else(pc.equal(column, ""), None, column)
    columns["event"] = columns["event"].fill_null("view")
    # NaN is no price, and greater than none.
    columns["cost"] = pc.if_else(pc.greater_equal(columns["cost"], 0.0), columns["cost"], None)
    return pa.table(columns, table.schema)


def _with_levels(table: pa.Table, path: CategoryColumn | None, absent: Sequence[str]) -> pa.Table:
    """Return events with the levels of their category, where these are fields that the events lack."""
    levels = {} if path is None else category_levels(whole(table["category"].dictionary_encode()), path)
    for name in levels.keys() & set(absent):
        table = table.set_column(table.column_names.index(name), name, levels[name].cast(pa.string()))
    return table


def _arrow_table(events: Any) -> pa.Table:
    """Return a table of another library as an Arrow table, in which each name stands for one column."""
    if hasattr(events, "collect") and not hasattr(events, "__arrow_c_stream__"):
        raise UserError(
            f"The events are a {type(events).__name__}, which is a query. Collect it first: give its table."
        )
    try:
        table = events if isinstance(events, pa.Table) else pa.table(events)
    except (TypeError, ValueError) as error:
        # Arrow's own errors are of these kinds, too.
        reason = ": ".join(map(str, error.args))
        raise UserError(
            f"Give the events as a pandas, Polars or Arrow table, with one type in each column: {reason}"
        ) from error
    for name, count in Counter(table.column_names).items():
        if count > 1:
            raise UserError(f"The table of events has {count} columns {name!r}.")
    return table


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of categories as a column of values: Arrow itself does not cast those of Polars."""
    if not pa.types.is_dictionary(column.type):
        return column
    kind = pa.dictionary(column.type.index_type, pa.string())
    if pa.types.is_string_view(column.type.value_type):
        parts = (
            pa.DictionaryArray.from_arrays(part.indices, part.dictionary.cast(pa.string()))
            for part in column.chunks
        )
        return pa.chunked_array(parts, kind)
    return column


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts without a zone as times, which are UTC; all else unchanged."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        with suppress(pa.ArrowInvalid):
            return column.cast(pa.timestamp("us"))
    return column
