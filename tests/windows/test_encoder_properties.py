"""Properties of the encoder that hold for any sessions."""

import datetime as dt
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from factories import BEGIN, Row, session
from hypothesis import given, reject
from hypothesis import strategies as st

from rabbithole.artifacts.data import Fields
from rabbithole.errors import UserError
from rabbithole.sessions.session_task import session_schema, written_schema
from rabbithole.specs.data import WindowsSpec
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import FIRST_VALUE, MISSING, RARE, UNSEEN, log_fields
from rabbithole.windows.fitting import count_values, fit_encoder, selected_fields
from rabbithole.windows.steps import calendar

strings = st.one_of(st.none(), st.sampled_from(["1", "2", "3", ""]), st.text(max_size=3))
costs = st.one_of(st.none(), st.floats(0, 1e9))
quantities = st.one_of(st.none(), st.floats(-1e9, 1e9))
seconds = st.integers(0, 40 * 86_400)

FURTHER = Fields(categorical=("brand",), numeric=("quantity",))
NAMES = log_fields(FURTHER).names


@st.composite
def sessions(draw: st.DrawFn) -> Row:
    """Return a session of one to seven steps within forty days."""
    times = sorted(draw(st.lists(seconds, min_size=1, max_size=7)))

    def lists(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=len(times), max_size=len(times)))

    return session(
        "1",
        "train",
        lists(strings),
        timestamp=[BEGIN + dt.timedelta(seconds=second) for second in times],
        event=lists(st.sampled_from(["view", "addtocart", "other"])),
        category=lists(strings),
        cost=lists(costs),
        brand=lists(strings),
        quantity=lists(quantities),
    )


tables = st.lists(sessions(), min_size=1, max_size=4).map(
    lambda rows: pa.Table.from_pylist(rows, session_schema(FURTHER))
)
specs = st.builds(
    factories.windows_spec,
    length=st.integers(1, 5),
    minimum_item_count=st.integers(1, 3),
    minimum_counts=st.sampled_from([{}, {"brand": 2}]),
    fields=st.none() | st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: tuple(sorted(names))),
    timezone=st.sampled_from(["UTC", "America/Chicago"]),
)


def fit(train: pa.Table, spec: WindowsSpec) -> Encoder:
    """Fit an encoder on the windows of all sessions of a table; reject tables without a useful field."""
    fields = selected_fields(spec, FURTHER)
    counts = pa.Table.from_batches(count_values(train, spec, fields))
    try:
        return fit_encoder(counts, spec, fields, {})
    except UserError:
        reject()


def field_values(table: pa.Table, timezone: str) -> dict[str, list[list[Any]]]:
    """Return the values of the categorical fields of all steps, by session."""
    values = {name: table[name].to_pylist() for name in ("event", "item", "category", "brand")}
    times = pc.list_flatten(table["timestamp"]).cast(pa.int64()).to_numpy()
    offsets = np.append(0, np.cumsum(pc.list_value_length(table["timestamp"]).to_numpy()))
    for name, flat in calendar(times, timezone).items():
        values[name] = [flat[begin:end].to_pylist() for begin, end in pairwise(offsets.tolist())]
    return values


@given(tables, tables, specs)
def test_every_value_gets_the_code_of_its_kind(train: pa.Table, other: pa.Table, spec: WindowsSpec) -> None:
    """Known values decode to themselves; missing, rare and unseen ones have a code each.

    A field that is the same at every step of train is left out, unless it is the event type.
    """
    encoder = fit(train, spec)
    in_train = {
        name: {value for row in rows for value in row[-spec.length :]}
        for name, rows in field_values(train, spec.timezone).items()
    }
    selected = [name for name in in_train if spec.fields is None or name in spec.fields]
    useful = {name for name in selected if name == "event" or len(in_train[name]) > 1}
    assert {*encoder.fitted.fields.categorical} == useful
    windows = encoder.encode_last(other)
    assert windows.column_names == list(encoder.fitted.fields.names)
    for name, rows in field_values(other, spec.timezone).items():
        if name not in useful:
            continue
        vocabulary = encoder.fitted.vocabularies[name]
        for values, codes in zip(rows, windows[name].to_pylist(), strict=True):
            assert len(codes) == min(len(values), spec.length)
            for value, code in zip(values[-spec.length :], codes, strict=True):
                assert MISSING <= code < encoder.fitted.sizes[name]
                if value is None:
                    assert code == MISSING
                elif code >= FIRST_VALUE:
                    assert vocabulary[code - FIRST_VALUE] == value
                elif value in in_train[name]:
                    assert code == RARE
                    assert value in encoder.fitted.rare[name]
                else:
                    assert code == UNSEEN


@given(tables, tables, specs)
def test_the_last_steps_are_the_end_of_all_steps(train: pa.Table, other: pa.Table, spec: WindowsSpec) -> None:
    """This holds for dwell times too: that of a window's first step is since the event before the window."""
    encoder = fit(train, spec)
    every = Encoder(encoder.fitted.model_copy(update={"length": 100})).encode_last(other)
    last, first = encoder.encode_last(other), encoder.encode_first(other)
    for name in encoder.fitted.fields.names:
        steps = every[name].to_pylist()
        assert last[name].to_pylist() == [row[-spec.length :] for row in steps]
        assert first[name].to_pylist() == [row[: spec.length] for row in steps]


@given(tables, specs)
def test_train_numbers_are_normalised(train: pa.Table, spec: WindowsSpec) -> None:
    encoder = fit(train, spec)
    windows = encoder.encode_last(train)
    for name in encoder.fitted.fields.numeric:
        numbers = [value for row in windows[name].to_pylist() for value in row if value is not None]
        assert numbers
        assert np.isfinite(numbers).all()
        if encoder.fitted.numeric[name].deviation > 0.1:
            assert np.mean(numbers) == pytest.approx(0, abs=1e-3)
            # If all numbers are equal (to rounding), the deviation is set to 1 and does not scale.
            assert np.std(numbers) == pytest.approx(1, abs=1e-3) or np.ptp(numbers) < 1e-12


@given(tables, tables, specs)
def test_a_saved_encoder_and_dictionary_columns_give_the_same_windows(
    train: pa.Table, other: pa.Table, spec: WindowsSpec
) -> None:
    encoder = fit(train, spec)
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(Path(folder))
        loaded = Encoder.load(Path(folder))
    assert loaded.fitted == encoder.fitted
    assert loaded.encode_last(other.cast(written_schema(FURTHER))).equals(encoder.encode_last(other))
