"""`Model.predict` refuses tables that it cannot read in words, and reads times as text."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from rabbithole.artifacts.data import Fields
from rabbithole.errors import UserError
from rabbithole.io.sorting import sort_rows
from rabbithole.serving.model import event_table


class LazyFrame:
    """What Polars calls a query that has not run."""

    def collect(self) -> None:
        """Run the query."""


EVENTS = pd.DataFrame(
    {"session_id": ["a", "a"], "timestamp": pd.to_datetime(["2014-09-01", "2014-09-02"]), "item": ["1", "2"]}
)


def read(events: Any) -> pa.Table:
    """Return the events as `Model.predict` reads them."""
    return event_table(events, Fields(categorical=(), numeric=()), by_visitor=False)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (EVENTS.assign(timestamp=[None, EVENTS.timestamp[0]]), "no 'timestamp' in 1 of its rows"),
        (EVENTS.assign(session_id=[None, "a"]), "no 'session_id' in 1 of its rows"),
        (EVENTS.assign(timestamp=[1_409_565_600, 1_409_565_700]), "year 1970, not 1990 to 2099"),
        (EVENTS.assign(timestamp=["yesterday", "today"]), "column of another type"),
        (EVENTS.assign(item=[1, "2"]), "one type in each column"),
        (EVENTS.drop(columns="timestamp"), "no column 'timestamp'"),
        (pa.table([pa.array(["1"])] * 2, names=["item", "item"]), "2 columns 'item'"),
        (EVENTS.assign(cost=[1.0, 2e9]), "a 'cost' over 1,000,000,000"),
        (LazyFrame(), "a LazyFrame, which is a query. Collect it first"),
        ("events.csv", "Give the events as a pandas, Polars or Arrow table"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_reason(events: Any, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        read(events)
    assert reason in str(caught.value)


def test_times_as_text_are_utc_without_a_zone() -> None:
    expected = read(EVENTS)
    assert read(EVENTS.assign(timestamp=["2014-09-01 00:00:00", "2014-09-02"])) == expected
    assert read(EVENTS.assign(timestamp=["2014-09-01T02:00:00+02:00", "2014-09-02T00:00:00Z"])) == expected


def test_a_table_without_rows_stays_one() -> None:
    assert len(sort_rows(read(EVENTS[:0]))) == 0


def test_empty_texts_and_refunds_are_nulls_as_in_a_log() -> None:
    table = read(EVENTS.assign(item=["", "2"], event=["", "search"], cost=[-5.0, 5.0]))
    columns = (table[name].to_pylist() for name in ("item", "event", "cost"))
    assert [*columns] == [[None, "2"], ["view", "search"], [None, 5.0]]


def test_categories_as_polars_gives_them_are_read() -> None:
    items = pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.uint32()), pa.array(["1", "2"], pa.string_view())
    )
    assert read(EVENTS.assign(item=pd.Categorical(["1", "2"]))) == read(EVENTS)
    table = pa.table(EVENTS)
    assert read(table.set_column(2, "item", items)) == read(EVENTS)
