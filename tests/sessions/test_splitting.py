"""Splits by time, by hash and by folds, and the visitors on both sides of a split boundary."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rabbithole.sessions.splitting import (
    SPLITS,
    count_crossings,
    split_by_fold,
    split_by_hash,
    split_by_time,
    split_ranks,
    visitor_spans,
)
from rabbithole.specs.data import Fold

SHARES = (0.5, 0.3, 0.2)
times = st.lists(st.integers(0, 20), min_size=1, max_size=40)


@given(times)
def test_a_split_by_time_is_in_order_and_misses_its_shares_by_ties_alone(starts: list[int]) -> None:
    values = np.array(starts, np.int64)
    bounds = np.sort(values)[split_ranks(len(values), SHARES)]
    splits = split_by_time(values, bounds)
    assert (np.diff(splits[np.argsort(values, kind="stable")]) >= 0).all()
    for index, (bound, share) in enumerate(zip(bounds, np.cumsum(SHARES)[:2], strict=True)):
        earlier, ties = np.sum(splits <= index), np.sum(values == bound)
        assert abs(earlier - share * len(values)) <= ties


@given(st.lists(times, min_size=1, max_size=6), st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_crossings_equal_a_count_visitor_by_visitor(
    visitors: list[list[int]], bounds: tuple[int, int]
) -> None:
    starts = [sorted(visitor) for visitor in visitors]
    expected = [sum(visitor[0] < bound <= visitor[-1] for visitor in starts) for bound in bounds]
    numbers = np.repeat(np.arange(len(starts)), [len(visitor) for visitor in starts]).astype(np.uint64)
    order = np.random.default_rng(0).permutation(len(numbers))
    times = np.concatenate(starts).astype(np.int64)
    # Some rows of a visitor come in another table.
    parts = np.array_split(order, 2)
    tables = [
        pa.table({"visitor": numbers[part], "earliest": times[part], "latest": times[part]}) for part in parts
    ]
    spans = visitor_spans(pa.concat_tables([visitor_spans(tables[0]), tables[1]]))
    assert count_crossings(spans, np.array(bounds, np.int64)) == expected


def test_a_split_by_hash_has_its_shares_and_depends_on_key_and_seed_alone() -> None:
    keys = [str(number) for number in range(4000)]
    splits = split_by_hash(pa.array(keys), SHARES, seed=3)
    # Three standard deviations of a share of 0.5.
    assert np.abs(np.bincount(splits) / 4000 - SHARES).max() < 3 * (0.25 / 4000) ** 0.5
    assert (split_by_hash(pa.array(keys[::-1]), SHARES, seed=3) == splits[::-1]).all()
    assert (split_by_hash(pa.array(keys), SHARES, seed=4) != splits).any()


@given(st.integers(3, 7), st.integers(0, 9), st.sets(st.text(max_size=4), min_size=1, max_size=30))
def test_over_all_folds_each_key_is_in_test_once_and_in_valid_once(
    count: int, seed: int, keys: set[str]
) -> None:
    names = pa.array(sorted(keys))
    folds = [split_by_fold(names, Fold(number=number, count=count), seed) for number in range(count)]
    times = np.array([np.sum(np.array(folds) == split, axis=0) for split in range(len(SPLITS))])
    assert (times == np.array([[count - 2], [1], [1]])).all()
    one = split_by_fold(names.slice(0, 1), Fold(number=1, count=count), seed)
    assert one[0] == folds[1][0]


def test_folds_are_of_like_size_and_differ_between_seeds() -> None:
    keys = pa.array([str(number) for number in range(4000)])
    fold = Fold(number=2, count=5)
    shares = np.bincount(split_by_fold(keys, fold, seed=3)) / 4000
    assert np.abs(shares - [0.6, 0.2, 0.2]).max() < 3 * (0.24 / 4000) ** 0.5
    assert (split_by_fold(keys, fold, seed=4) != split_by_fold(keys, fold, seed=3)).any()
