"""Features of what train shows about each value: purchase rates (target encodings), popularity and price."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.artifacts.data import NormaliserRecord
from rabbithole.artifacts.training import ValueTable
from rabbithole.models.features.steps import Columns, Floats, Ints, Prefixes, Steps, at, prefix_steps, summary
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import UNSEEN

FOLDS = 5
"""Parts of train. A train session is encoded by the other parts, never by its own label."""

CHUNK_SESSIONS = 500_000
"""Sessions that are counted at a time, for memory."""

DIGITS = 4
"""Decimal places of the tables, which keep their file small."""


@dataclass(frozen=True)
class Tables:
    """What train shows about each code of one field, from all of train and from all but each fold.

    rates: float64 [FOLDS + 1, codes], the log odds of a purchase of sessions with the value, less those of
    all sessions; popularity: float64 [FOLDS + 1, codes], log(1 + sessions with the value); cost: float64
    [codes], the mean of log(1 + cost), NaN without a cost, None for a log without costs. Row k of the first
    two leaves out fold k; the last row is all of train.
    """

    rates: Floats
    popularity: Floats
    cost: Floats | None

    @classmethod
    def read(cls, table: ValueTable) -> Self:
        """Return the tables that `record` gave: those of all of train, as new sessions need no other."""
        cost = None if table.cost is None else np.array(table.cost, np.float64)
        return cls(np.array([table.rates]), np.array([table.popularity]), cost)

    def record(self) -> ValueTable:
        """Return the tables of all of train, to be written."""
        cost = None if self.cost is None else [None if np.isnan(x) else float(x) for x in self.cost]
        return ValueTable(rates=self.rates[-1].tolist(), popularity=self.popularity[-1].tolist(), cost=cost)


def folds_of(windows: Windows) -> Ints:
    """Return the fold of each train session, int64 [n]: 0 to FOLDS - 1, by the hash of its name.

    A session cut from a visitor's events is named after the visitor and its number: its fold is then the
    visitor's, so that no session is encoded by another one of the same visitor.
    """
    names = windows.session_id
    visitors = pc.replace_substring_regex(names, r"-\d+$", "")
    folds = _hashed(visitors)
    # Names that the log gives itself may differ in their last number alone.
    if np.bincount(folds, minlength=FOLDS).max(initial=0) > len(folds) / 2:
        folds = _hashed(names)
    return folds


def _hashed(names: pa.Array) -> Ints:
    folds = np.empty(len(names), np.int64)
    for start in range(0, len(names), CHUNK_SESSIONS):
        part = names.slice(start, CHUNK_SESSIONS).to_pylist()
        folds[start : start + len(part)] = [zlib.crc32(name.encode()) % FOLDS for name in part]
    return folds


def fit_tables(
    train: Windows, fields: list[str], folds: Ints, cost: NormaliserRecord | None
) -> dict[str, Tables]:
    """Return the tables of each field, from the sessions' own steps; a session counts once for each value.

    Rates are shrunken to the share of buyers p, as if 1 / p more sessions with one buyer among them had the
    value (Micci-Barreca 2001, A preprocessing scheme for high-cardinality categorical attributes). p is that
    of all of train for every fold, since a fold's own share would reveal the labels that it leaves out.
    Popularity is out of fold too, as a session would see itself in it, scaled up to all of train.
    cost: its normaliser, None where the log has none.
    """
    buyer = train.buyer.astype(np.float64)
    prior = float(np.clip(buyer.mean(), 1e-6, 1 - 1e-6))
    tables = {}
    for field in fields:
        size = int(train.codes[:, train.fields.categorical.index(field)].max(initial=UNSEEN)) + 1
        sessions, buyers = np.zeros((FOLDS, size)), np.zeros((FOLDS, size))
        costs, priced = np.zeros(size), np.zeros(size)
        for steps in _all_steps(train):
            pairs = np.unique(steps.owner * size + steps.codes(field))
            owner, code = steps.rows[pairs // size], pairs % size
            place = folds[owner] * size + code
            sessions += np.bincount(place, minlength=FOLDS * size).reshape(FOLDS, size)
            buyers += np.bincount(place, buyer[owner], FOLDS * size).reshape(FOLDS, size)
            if cost is not None:
                values = steps.numbers("cost") * cost.deviation + cost.mean
                known = ~np.isnan(values)
                codes = steps.codes(field)[known]
                costs += np.bincount(codes, values[known], size)
                priced += np.bincount(codes, minlength=size)
        n, b = _out_of_fold(sessions), _out_of_fold(buyers)
        rates = np.log(b + 1) - np.log(n - b + 1 / prior - 1) - np.log(prior / (1 - prior))
        share = np.append(1 - np.bincount(folds, minlength=FOLDS) / max(len(folds), 1), 1.0)
        popularity = np.log1p(n / np.maximum(share, 1 / FOLDS)[:, None])
        with np.errstate(invalid="ignore"):
            mean = None if cost is None else (costs / np.where(priced > 0, priced, np.nan)).round(DIGITS)
        tables[field] = Tables(rates.round(DIGITS), popularity.round(DIGITS), mean)
    return tables


def _out_of_fold(counts: Floats) -> Floats:
    """Return counts of all folds but each one, then of all, float64 [FOLDS + 1, codes]."""
    total = counts.sum(0)
    return np.vstack([total - counts, total])


def _all_steps(windows: Windows) -> Iterator[Steps]:
    for start in range(0, len(windows), CHUNK_SESSIONS):
        rows = np.arange(start, min(start + CHUNK_SESSIONS, len(windows)))
        yield prefix_steps(windows, Prefixes(rows, windows.present[rows]))


def table_features(
    steps: Steps, field: str, tables: Tables, folds: Ints | None, most: Ints | None = None
) -> Columns:
    """Return the purchase rates and the popularity of a field's values: mean, extremes and the last one.

    folds: int64 [m], that of each range, for sessions of train, None for others; most: int64 [m], the
    position of the most frequent value, which then has features too.
    """
    codes = _known_codes(steps, field, tables.rates.shape[1])
    row = len(tables.rates) - 1 if folds is None else folds[steps.owner]
    last = steps.ends - 1
    out: Columns = {}
    for name, table in (("purchase rate", tables.rates), ("popularity", tables.popularity)):
        values = table[row, codes]
        statistics = summary(steps, values)
        out[f"{field}: {name}, mean"] = statistics.mean
        out[f"{field}: {name}, lowest"] = statistics.lowest
        out[f"{field}: {name}, highest"] = statistics.highest
        out[f"{field}: {name}, last"] = values[last]
        if most is not None:
            out[f"{field}: {name}, most frequent"] = values[most]
    return out


def price_features(steps: Steps, tables: dict[str, Tables]) -> Columns:
    """Return the price level of the items, by their mean cost in train, logs of 1 + cost.

    It is the item's own mean, and the difference to the mean of its category: mean, highest and last.
    """
    out: Columns = {}
    level = _costs(steps, "item", tables)
    levels = {"item: price level": level}
    if "category" in tables:
        levels["item: price against its category"] = level - _costs(steps, "category", tables)
    for name, values in levels.items():
        statistics = summary(steps, values)
        out[f"{name}, mean"] = statistics.mean
        out[f"{name}, highest"] = statistics.highest
        out[f"{name}, last"] = at(values, steps.last_in(~np.isnan(values)))
    return out


def _costs(steps: Steps, field: str, tables: dict[str, Tables]) -> Floats:
    cost: NDArray[np.float64] | None = tables[field].cost
    assert cost is not None
    return cost[_known_codes(steps, field, len(cost))]


def _known_codes(steps: Steps, field: str, size: int) -> Ints:
    """Return the codes of a field, those beyond a table as unseen: train has none of them."""
    codes = steps.codes(field)
    return np.where(codes < size, codes, UNSEEN)
