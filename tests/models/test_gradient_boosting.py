"""The baseline: its features by hand, and blind to order."""

import dataclasses

import numpy as np
import pytest
from factories import random_windows, window, write_windows

from rabbithole.errors import UserError
from rabbithole.models import gradient_boosting
from rabbithole.models.aggregates import CALENDAR, Prefixes, aggregates, frequent_codes
from rabbithole.models.gradient_boosting import Model
from rabbithole.training.data import read_encoding, read_split
from rabbithole.windows.fields import MISSING, RARE, UNSEEN

SETTINGS = {"learning_rate": 0.1, "iterations": 20, "leaves": 8}


def windows_of(folder, rows):
    path = write_windows(folder, train=rows)
    return read_split(path, "train", read_encoding(path))


def test_features_are_those_counted_by_hand(tmp_path):
    rows = [
        window(
            "a", 1, [7, 7, 9, RARE, UNSEEN, MISSING],
            dwell=[None, 1.0, 2.0, 3.0, 4.0, None], event=[4, 5, 4, 4, 4, 4], category=[6, 6, 6, 6, 8, 8],
            hour=[9, 9, 10, 11, 11, 11],
        ),
        window("b", 0, [5], event=[5]),
    ]  # fmt: skip
    windows = windows_of(tmp_path / "w", rows)
    codes = {"event": [4, 5], "category": [6, 8]}
    whole, start = aggregates(windows, Prefixes(np.array([0, 0]), np.array([6, 2])), codes)
    #      steps, distinct, repeats, events 4 5, categories 6 8, missing, unseen, rare
    assert whole[:10].tolist() == [6, 5, 1, 5, 1, 4, 2, 1, 1, 1]
    assert start[:10].tolist() == [2, 1, 1, 1, 1, 2, 0, 0, 0, 0]
    hour = 10 + 2 * CALENDAR.index("hour")
    assert whole[hour : hour + 2].tolist() == [9, 11]
    dwell = 10 + 2 * len(CALENDAR)
    assert whole[dwell : dwell + 6] == pytest.approx([2.5, 1, 4, np.std([1, 2, 3, 4]), 10, 2 / 6])
    assert np.isnan(whole[dwell + 6 : dwell + 11]).all() and whole[dwell + 11] == 1


def test_the_order_of_events_tells_it_nothing(tmp_path):
    rng = np.random.default_rng(0)
    windows = windows_of(tmp_path / "w", random_windows(300, rng, prefix="s"))
    order = np.concatenate(
        [rng.permutation(np.arange(a, b)) for a, b in zip(windows.offsets, windows.offsets[1:], strict=False)]
    )
    shuffled = dataclasses.replace(windows, codes=windows.codes[order], numbers=windows.numbers[order])
    everyone = Prefixes(np.arange(300), windows.lengths)
    codes = frequent_codes(windows)
    np.testing.assert_array_equal(aggregates(windows, everyone, codes), aggregates(shuffled, everyone, codes))


def test_of_a_large_log_it_learns_from_a_draw(tmp_path, monkeypatch):
    """Of 400 sessions 200 ends and 300 beginnings, which weigh as much as all beginnings of 200 sessions."""
    rng = np.random.default_rng(2)
    train, valid = (windows_of(tmp_path / n, random_windows(400, rng, prefix=n)) for n in "tv")
    monkeypatch.setattr(gradient_boosting, "MOST", 200)
    monkeypatch.setattr(gradient_boosting, "MOST_BEGUN", 300)
    given = []
    monkeypatch.setattr(
        gradient_boosting.HistGradientBoostingClassifier,
        "fit",
        lambda _, x, y, **more: given.append((x, y, more)),
    )
    monkeypatch.setattr(Model, "_history", lambda *_: [])
    for seed in (0, 0, 1):
        Model.build(settings=SETTINGS, seed=seed).fit(train, np.ones(400), valid, prefixes=True, shift=0.0)
    (first, *_), (again, *_), (other, *_) = given
    running = first[:, -1] == 1
    assert (~running).sum() == 200 and running.sum() == pytest.approx(300, abs=9)
    expected = sum(0.5 / step * (train.lengths >= step).sum() / 2 for step in gradient_boosting.PREFIXES)
    assert given[0][2]["sample_weight"][running].sum() == pytest.approx(expected, rel=0.1)
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_what_is_saved_scores_as_what_was_fitted(tmp_path):
    rng = np.random.default_rng(1)
    train, valid = (windows_of(tmp_path / n, random_windows(400, rng, prefix=n)) for n in "tv")
    model = Model.build(settings=SETTINGS, seed=0)
    model.fit(train, np.ones(400), valid, prefixes=True, shift=0.0)
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    np.testing.assert_array_equal(loaded.logits(valid, [0, 1, 3]), model.logits(valid, [0, 1, 3]))


def test_a_file_with_other_code_in_it_is_refused(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(print), tmp_path / "model.skops")
    with pytest.raises(UserError, match="which no model of ours does"):
        Model.load(tmp_path)
