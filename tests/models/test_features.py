"""The features of estimators: each one by its definition, on prefixes, and without a leak of labels."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from factories.slow_features import COUNTED, EARLIER, SCALES, slow_features
from sklearn.metrics import roc_auc_score

from rabbithole.artifacts.data import EncoderFile, Fields, NormaliserRecord
from rabbithole.evaluation.delong import auc_interval, placements
from rabbithole.models.features.encodings import folds_of
from rabbithole.models.features.matrix import FeatureMatrix
from rabbithole.models.features.steps import Prefixes
from rabbithole.models.gradient_boosting import Model, Settings
from rabbithole.windows.arrays import Windows

FIELDS = Fields(
    categorical=(
        "event",
        "item",
        "category",
        "hour",
        "weekday",
        "month",
        "week",
        "device",
        "sessions_ago",
    ),
    numeric=("dwell", "cost", "stock"),
)


def random_log(seed: int, *, sessions: int = 60, longest: int = 14, history: bool = True) -> Windows:
    """Return windows with every kind of field; an earlier step may be a purchase (code 7), an own one not."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, sessions)
    earlier = rng.integers(0, 9, sessions) * (rng.random(sessions) < 0.6) * history
    total = int((lengths + earlier).sum())
    own = np.concatenate([[False] * e + [True] * n for e, n in zip(earlier, lengths, strict=True)])
    codes = np.stack(
        [
            np.where(own, rng.choice([4, 4, 4, 5, 6], total), rng.choice([4, 4, 5, 6, 7], total)),
            rng.integers(1, 12, total),
            rng.choice([1, 2, 4, 5, 6, 7, 8], total),
            *(rng.integers(4, 11, total) for _ in range(4)),
            rng.choice([3, 4, 5], total),
            np.where(own, 4, rng.integers(5, 8, total)),
        ],
        axis=1,
    ).astype(np.int32)
    numbers = rng.normal(size=(total, 3)).astype(np.float32)
    numbers[rng.random((total, 3)) < 0.3] = np.nan
    # Times are not negative, and only a visitor's first event has none.
    numbers[:, 0] = np.abs(rng.normal(size=total))
    offsets = np.append(0, np.cumsum(lengths + earlier))
    numbers[offsets[:-1], 0] = np.nan
    return Windows(
        pa.array([f"visitor{seed}.{n // 2}-{n % 2}" for n in range(sessions)]),
        (rng.random(sessions) < 0.3).astype(np.int8),
        lengths.astype(np.int32),
        offsets,
        codes,
        numbers,
        FIELDS,
        earlier.astype(np.int32),
    )


def encoder(fields: Fields = FIELDS) -> EncoderFile:
    return EncoderFile(
        fields=fields,
        vocabularies={},
        rare={},
        sizes={},
        roots=[],
        numeric=SCALES,
        length=30,
        timezone="UTC",
    )


@pytest.fixture(scope="module")
def train() -> Windows:
    return random_log(0)


def test_every_feature_is_what_its_definition_says(train: Windows) -> None:
    """Sessions of train, encoded out of fold, and others, whole and after their first events."""
    matrix, folds = FeatureMatrix.fit(train, encoder())
    assert {name: sorted(codes) for name, codes in matrix.codes.items()} == {
        name: list(codes) for name, codes in COUNTED.items()
    }
    assert matrix.earlier is not None and sorted(matrix.earlier) == list(EARLIER)
    rng = np.random.default_rng(1)
    for windows, of_train in ((train, True), (random_log(7, sessions=20), False)):
        rows = rng.integers(0, len(windows), 40)
        steps = rng.integers(1, windows.present[rows] + 1)
        features = matrix(windows, Prefixes(rows, steps), folds[rows] if of_train else None)
        for row, count, values in zip(rows, steps, features, strict=True):
            slow = slow_features(windows, row, count, train, int(folds[row]) if of_train else None)
            assert set(slow) == set(matrix.names)
            np.testing.assert_allclose(
                values, [slow[name] for name in matrix.names], rtol=1e-4, atol=2e-4, err_msg=str(matrix.names)
            )
    assert len(set(matrix.names)) == len(matrix.names) >= 60


def test_a_log_with_one_field_has_the_features_of_that_field_alone(train: Windows) -> None:
    """Of the fields of a log without history, each gives features, and an absent one none."""
    one = dataclasses.replace(
        train,
        codes=train.codes[:, :1],
        numbers=train.numbers[:, :0],
        fields=Fields(categorical=("event",), numeric=()),
        history=np.zeros(len(train), np.int32),
    )
    matrix, folds = FeatureMatrix.fit(one, encoder(one.fields))
    features = matrix(one, Prefixes(np.arange(len(one)), one.lengths), folds)
    assert not np.isnan(features[:, 0]).any()
    assert all(name.startswith("event") for name in matrix.names)


def test_a_prefix_has_the_features_of_the_session_cut_there(train: Windows) -> None:
    matrix, _ = FeatureMatrix.fit(train, encoder())
    long = np.flatnonzero(train.present > 4)
    cut = np.concatenate([np.arange(train.offsets[r], train.offsets[r] + train.history[r] + 4) for r in long])
    lengths = train.history[long] + 4
    short = Windows(
        train.session_id.take(pa.array(long)),
        train.buyer[long],
        np.full(len(long), 4, np.int32),
        np.append(0, np.cumsum(lengths)).astype(np.int64),
        train.codes[cut],
        train.numbers[cut],
        FIELDS,
        train.history[long],
    )
    np.testing.assert_array_equal(
        matrix(train, Prefixes(long, np.full(len(long), 4))),
        matrix(short, Prefixes(np.arange(len(long)), short.present)),
    )


def test_sums_do_not_depend_on_the_order_of_events() -> None:
    windows = random_log(3, history=False)
    rng = np.random.default_rng(0)
    order = np.concatenate(
        [rng.permutation(np.arange(a, b)) for a, b in zip(windows.offsets, windows.offsets[1:], strict=False)]
    )
    shuffled = dataclasses.replace(windows, codes=windows.codes[order], numbers=windows.numbers[order])
    matrix, _ = FeatureMatrix.fit(windows, encoder())
    every = Prefixes(np.arange(len(windows)), windows.lengths)
    first, second = matrix(windows, every), matrix(shuffled, every)
    blind = [
        name.endswith((": count", ": distinct", ": sum", ": mean", ", mean", ": standard deviation"))
        for name in matrix.names
    ]
    assert sum(blind) > 20
    np.testing.assert_array_equal(first[:, blind], second[:, blind])


def test_written_features_are_the_fitted_ones(train: Windows) -> None:
    matrix, _ = FeatureMatrix.fit(train, encoder())
    read = FeatureMatrix.read(matrix.record())
    prefixes = Prefixes(np.arange(len(train)), train.present)
    np.testing.assert_array_equal(matrix(train, prefixes), read(train, prefixes))


def test_numbers_without_bounds_stay_finite() -> None:
    windows = random_log(4)
    numbers = np.where(np.isnan(windows.numbers), np.nan, windows.numbers * 1e4).astype(np.float32)
    huge = dataclasses.replace(windows, numbers=numbers)
    matrix, folds = FeatureMatrix.fit(huge, encoder())
    assert not np.isinf(matrix(huge, Prefixes(np.arange(len(huge)), huge.present), folds)).any()


def test_sessions_of_one_visitor_share_a_fold_and_named_ones_are_spread() -> None:
    log = random_log(5, sessions=1000)
    folds = folds_of(log)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds, minlength=5).min() > 100
    names = dataclasses.replace(log, session_id=pa.array([f"2026-shop-{n}" for n in range(1000)]))
    assert np.bincount(folds_of(names), minlength=5).min() > 100


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_labels_are_not_learned_through_the_purchase_rates(seed: int) -> None:
    """Two sessions share an item, the classical trap: encoded by their own labels they would reveal them."""
    rng = np.random.default_rng(seed)

    def split(name: str, sessions: int) -> Windows:
        items = rng.integers(4, 4 + sessions // 2, (sessions, 1))
        return Windows(
            pa.array([f"{name}{n}" for n in range(sessions)]),
            (rng.random(sessions) < 0.4).astype(np.int8),
            np.ones(sessions, np.int32),
            np.arange(sessions + 1),
            items.astype(np.int32),
            np.empty((sessions, 0), np.float32),
            Fields(categorical=("item",), numeric=()),
        )

    train, valid, test = (split(name, 1500) for name in ("t", "v", "e"))
    matrix, folds = FeatureMatrix.fit(train)
    own = matrix(train, Prefixes(np.arange(1500), train.lengths), folds)
    rate = own[:, matrix.names.index("item: purchase rate, mean")]
    low, high = auc_interval(placements(train.buyer, rate.astype(float)), level=0.999)
    assert low <= 0.5 <= high
    model = Model(Settings(iterations=40), seed=0)
    model.fit(train, np.ones(1500), valid, prefixes=False, shift=0.0)
    low, high = auc_interval(placements(test.buyer, model.logits(test, [0])[0]), level=0.999)
    assert low <= 0.5 <= high
    # What the trap would be: encoded by all of train, whose labels are their own too.
    trapped = matrix(train, Prefixes(np.arange(1500), train.lengths))
    assert roc_auc_score(train.buyer, trapped[:, matrix.names.index("item: purchase rate, mean")]) > 0.7


def test_scales_of_unknown_encoders_are_logs(train: Windows) -> None:
    matrix, _ = FeatureMatrix.fit(train)
    assert set(matrix.scales.values()) == {NormaliserRecord(mean=0.0, deviation=1.0)}
