"""Balancing: which sessions an epoch holds, their weights, and the shift that undoes it."""

import numpy as np
import pytest
from scipy.special import expit

from rabbithole.training.purchase import balanced_rows, class_weights, prior_shift

BUYER = np.array([1] * 20 + [0] * 180, np.int8)


def test_undersampling_keeps_all_buyers_and_as_many_others_drawn_for_each_epoch():
    first, second = (balanced_rows(BUYER, "undersample", seed=0, epoch=epoch) for epoch in (0, 1))
    assert BUYER[first].sum() == 20 and len(first) == len(set(first.tolist())) == 40
    assert set(first.tolist()) != set(second.tolist())


def test_oversampling_keeps_all_sessions_and_repeats_buyers():
    rows = balanced_rows(BUYER, "oversample", seed=0, epoch=0)
    assert set(rows.tolist()) == set(range(200))
    assert BUYER[rows].sum() == 180 and len(rows) == 360


def test_class_weights_give_both_classes_half_of_the_weight():
    weights = class_weights(BUYER, "class_weight")
    assert weights[BUYER == 1].sum() == pytest.approx(weights[BUYER == 0].sum())
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("balance", ["undersample", "oversample", "class_weight"])
def test_the_shift_undoes_a_balance(balance):
    """Equal sessions of which 30 % buy: in the balanced set their odds are 180 / 20 times as high."""
    balanced_odds = 0.3 / 0.7 * 180 / 20
    assert expit(np.log(balanced_odds) + prior_shift(BUYER, balance)) == pytest.approx(0.3)
