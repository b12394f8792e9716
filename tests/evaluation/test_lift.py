import numpy as np
import pytest

from rabbithole.evaluation.lift import gain_curve, lift_table, reached


def test_ties_count_as_the_expectation_over_their_orders():
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    labels = np.array([1, 1, 0, 0, 1, 0])
    # First comes a sure buyer; each of the next four places holds a buyer with probability one half.
    found = reached(labels, scores, np.array([0, 1, 2, 3, 5, 6, 0.5]))
    assert found == pytest.approx([0, 1, 1.5, 2, 3, 3, 0.5])


def test_lift_counted_by_hand():
    # 200 sessions, 10 buyers: two of the top two, four of the top ten, five of the top twenty.
    labels = np.zeros(200, int)
    labels[[0, 1, 5, 9, 15, 60, 70, 80, 90, 199]] = 1
    table = lift_table(labels, np.linspace(1, 0, 200))
    assert [row["addressed"] for row in table] == [2, 10, 20]
    assert [row["buyers"] for row in table] == [2, 4, 5]
    assert [row["lift"] for row in table] == pytest.approx([20.0, 8.0, 5.0])
    assert all(row["low"] < row["lift"] < row["high"] for row in table)


def test_interval_covers_the_lift_of_the_whole_population():
    draw = np.random.default_rng(2)
    x = draw.normal(size=400_000)
    buys = draw.random(400_000) < 0.02 * np.exp(x)
    truth, held = lift_table(buys, x)[1]["lift"], 0
    for _ in range(200):
        some = draw.integers(0, len(x), 4000)
        row = lift_table(buys[some], x[some])[1]
        held += row["low"] <= truth <= row["high"]
    assert held >= 180


def test_gain_of_a_constant_is_the_diagonal_and_none_without_buyers():
    gain = gain_curve(np.repeat([1, 0], [5, 95]), np.full(100, 0.05))
    assert gain["reached"] == pytest.approx(gain["addressed"])
    assert gain["reached"][-1] == 1.0
    assert gain_curve(np.zeros(5), np.zeros(5))["reached"] == []
    assert lift_table(np.zeros(5), np.zeros(5)) == []
