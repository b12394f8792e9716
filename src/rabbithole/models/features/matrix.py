"""All features of prefixes as one matrix: what is fitted on train, and the columns with their names."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile, NormaliserRecord
from rabbithole.artifacts.training import CountedCodes, FeatureTables
from rabbithole.models.features.counts import (
    Values,
    code_counts,
    event_features,
    frequent_codes,
    names_of,
    unknown_counts,
    value_features,
    values_by_event,
    values_of,
)
from rabbithole.models.features.encodings import Tables, fit_tables, folds_of, price_features, table_features
from rabbithole.models.features.history import history_features
from rabbithole.models.features.numbers import (
    calendar_features,
    cost_features,
    dwell_features,
    number_features,
    own_seconds,
)
from rabbithole.models.features.steps import MAX_MAGNITUDE, Columns, Ints, Prefixes, natural, prefix_steps
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.windows.arrays import Windows

CALENDAR = ("hour", "weekday", "month", "week")
"""Fields of the clock."""

JOURNEY = ("item", "category")
"""Fields whose repeats, runs and returns are features."""

MAX_COUNTED_CODES = 16
"""Most frequent codes of a field that are counted. Most logs have fewer events, and more categories."""

UNIT = NormaliserRecord(mean=0.0, deviation=1.0)
"""The scale of numbers whose normaliser is not known: they are taken for logs of 1 + number."""


class FeatureMatrix:
    """The features of one log, as fitted on train: the counted codes, and what train shows of values.

    codes: by field, the counted codes with their names, most frequent first; earlier: the kinds of events in
    the history likewise, None for windows without history; scales: of numbers; tables: by field.
    """

    def __init__(
        self,
        codes: dict[str, dict[int, str]],
        earlier: dict[int, str] | None,
        scales: dict[str, NormaliserRecord],
        tables: dict[str, Tables],
    ) -> None:
        self.codes, self.earlier, self.scales, self.tables = codes, earlier, scales, tables
        self.names: list[str] = []

    @classmethod
    def fit(cls, train: Windows, encoder: EncoderFile | None = None) -> tuple[Self, Ints]:
        """Fit on train; also return the folds of its sessions, see `encodings`.

        encoder: that of the windows, for the names of values and the scales of numbers.
        """
        fields = train.fields
        own = np.arange(len(train.codes)) >= np.repeat(train.offsets[:-1] + train.history, train.lengths)
        vocabularies = {} if encoder is None else encoder.vocabularies

        def named(field: str, steps: NDArray[np.bool_]) -> dict[int, str]:
            codes = frequent_codes(train.codes[steps, fields.categorical.index(field)], MAX_COUNTED_CODES)
            return dict(zip(codes, names_of(codes, vocabularies.get(field, [])), strict=True))

        counted = [name for name in fields.categorical if name not in ("item", SESSIONS_AGO, *CALENDAR)]
        encoded = [name for name in fields.categorical if name not in ("event", SESSIONS_AGO, *CALENDAR)]
        earlier = None
        if train.history.any():
            earlier = named("event", ~own) if "event" in fields.categorical else {}
        scales = {
            name: UNIT if encoder is None else encoder.numeric.get(name, UNIT) for name in fields.numeric
        }
        folds = folds_of(train)
        tables = fit_tables(train, encoded, folds, scales.get("cost"))
        return cls({name: named(name, own) for name in counted}, earlier, scales, tables), folds

    def __call__(
        self, windows: Windows, prefixes: Prefixes, folds: Ints | None = None
    ) -> NDArray[np.float32]:
        """Return one row of features per prefix, float32 [m, features], NaN where there is no value.

        folds: int64 [m], of the prefixes' sessions where they are of train. Keeps the features' `names`.
        """
        columns = self.columns(windows, prefixes, folds)
        self.names = list(columns)
        matrix = np.empty((len(prefixes.rows), len(columns)), np.float32)
        for number, values in enumerate(columns.values()):
            matrix[:, number] = np.clip(values.astype(np.float64), -MAX_MAGNITUDE, MAX_MAGNITUDE)
        return matrix

    def columns(self, windows: Windows, prefixes: Prefixes, folds: Ints | None) -> Columns:
        """Return the features by name, of the fields that the windows have."""
        steps = prefix_steps(windows, prefixes)
        fields = windows.fields
        events = self.codes.get("event", {})
        out: Columns = {"events": steps.counts}
        if "event" in fields.categorical:
            out |= event_features(steps, events)
        values: dict[str, Values] = {}
        for field in fields.categorical:
            if field in JOURNEY:
                values[field] = values_of(steps, field)
                out |= value_features(steps, field, values[field])
                if events:
                    out |= values_by_event(steps, field, values[field], events)
            if field in CALENDAR:
                out |= calendar_features(steps, field)
            elif field in self.codes and field != "event":
                out |= code_counts(steps, field, self.codes[field])
            if field in self.tables:
                most = values[field].most if field in values else None
                out |= unknown_counts(steps, field)
                out |= table_features(steps, field, self.tables[field], folds, most)
        for field in fields.numeric:
            if field == "dwell":
                out |= dwell_features(steps, own_seconds(steps, self.scales[field]))
            elif field == "cost":
                out |= cost_features(steps, natural(steps.numbers(field), self.scales[field]), events)
            else:
                out |= number_features(steps, field, natural(steps.numbers(field), self.scales[field]))
        if "item" in self.tables and "cost" in fields.numeric:
            out |= price_features(steps, self.tables)
        if self.earlier is not None:
            out |= history_features(steps, prefixes, windows, values, self.earlier, self.scales.get("dwell"))
        return out

    def record(self) -> FeatureTables:
        """Return what was fitted, to be written."""
        return FeatureTables(
            codes={name: _record(codes) for name, codes in self.codes.items()},
            earlier=None if self.earlier is None else _record(self.earlier),
            scales=self.scales,
            tables={name: tables.record() for name, tables in self.tables.items()},
        )

    @classmethod
    def read(cls, fitted: FeatureTables) -> Self:
        """Return the features that `record` gave."""
        return cls(
            {name: _codes(codes) for name, codes in fitted.codes.items()},
            None if fitted.earlier is None else _codes(fitted.earlier),
            fitted.scales,
            {name: Tables.read(table) for name, table in fitted.tables.items()},
        )


def _record(codes: dict[int, str]) -> CountedCodes:
    return CountedCodes(codes=list(codes), names=list(codes.values()))


def _codes(counted: CountedCodes) -> dict[int, str]:
    return dict(zip(counted.codes, counted.names, strict=True))
