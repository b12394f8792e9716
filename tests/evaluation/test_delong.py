import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score

from rabbithole.evaluation.delong import auc_with_interval, covariance, interval, paired_test, placements


def sample(seed, buyers=31, others=97, shift=1.0, ties=True):
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat([1, 0], [buyers, others]))
    scores = draw.normal(size=buyers + others) + shift * labels
    return labels, np.round(scores, 1) if ties else scores


def by_definition(labels, first, second):
    """The AUC and DeLong's covariance straight from the kernel over all pairs, O(n^2)."""

    def kernel(scores):
        x, y = scores[labels == 1][:, None], scores[labels == 0][None, :]
        return (x > y) + 0.5 * (x == y)

    a, b = kernel(first), kernel(second)
    buyers = np.cov(a.mean(1), b.mean(1))[0, 1] / a.shape[0]
    others = np.cov(a.mean(0), b.mean(0))[0, 1] / a.shape[1]
    return a.mean(), buyers + others


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_covariance_equal_their_definition_with_ties(seed):
    labels, first = sample(seed)
    second = np.round(first + np.random.default_rng(seed + 100).normal(size=len(labels)), 1)
    auc, expected = by_definition(labels, first, second)
    parts = placements(labels, first)
    assert parts.auc == pytest.approx(auc, abs=1e-12)
    assert parts.auc == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert covariance(parts, placements(labels, second)) == pytest.approx(expected, rel=1e-10)


def test_variance_is_what_resampling_finds():
    labels, scores = sample(3, buyers=80, others=400, ties=False)
    draw = np.random.default_rng(0)
    x, y = scores[labels == 1], scores[labels == 0]
    truth = np.repeat([1, 0], [len(x), len(y)])
    aucs = [
        roc_auc_score(truth, np.concatenate([draw.choice(x, len(x)), draw.choice(y, len(y))]))
        for _ in range(600)
    ]
    assert auc_with_interval(labels, scores)["error"] == pytest.approx(np.std(aucs), rel=0.12)


def test_interval_holds_the_truth_19_times_of_20():
    # Normal scores one deviation apart have an AUC of Phi(1 / sqrt(2)).
    truth, held = 0.7602499, 0
    for seed in range(600):
        low, high = interval(placements(*sample(seed, buyers=40, others=200, ties=False)))
        held += low <= truth <= high
    assert 0.925 <= held / 600 <= 0.975


@pytest.mark.parametrize(("shift", "auc"), [(100.0, 1.0), (-100.0, 0.0)])
def test_interval_of_a_faultless_ranking_claims_no_certainty(shift, auc):
    found = auc_with_interval(*sample(1, shift=shift))
    assert found["value"] == auc
    assert 0.0 <= found["low"] < found["high"] <= 1.0
    assert 0.05 < found["high"] - found["low"] < 0.2


def test_p_is_uniform_when_both_scores_are_equally_good():
    p = []
    for seed in range(300):
        draw = np.random.default_rng(seed)
        labels = np.repeat([1, 0], [60, 240])
        shared = draw.normal(size=300) + labels
        first, second = (shared + draw.normal(size=300) for _ in range(2))
        p.append(paired_test(placements(labels, first), placements(labels, second))["p"])
    assert kstest(p, "uniform").pvalue > 0.01


def test_a_score_does_not_differ_from_its_own_logit_but_does_from_noise():
    labels, scores = sample(5, ties=False)
    same = paired_test(placements(labels, scores), placements(labels, np.exp(scores)))
    assert (same["difference"], same["z"], same["p"]) == (0.0, 0.0, 1.0)
    noise = np.random.default_rng(1).normal(size=len(labels))
    other = paired_test(placements(labels, scores), placements(labels, noise))
    assert other["p"] < 0.01
    assert 0 < other["low"] < other["difference"] < other["high"]


def test_a_missing_class_is_refused():
    with pytest.raises(ValueError, match="both buyers and non-buyers"):
        placements(np.zeros(3), np.arange(3.0))
