"""Metrics of next-event predictions, counted by hand."""

import numpy as np
import pytest

from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import NextEventPredictions, Predictions, mean_with_interval
from rabbithole.evaluation.next_event_networks import log_mean
from rabbithole.windows.next_events import IGNORED, Classes

CLASSES = Classes(("view", "purchase", "end"), ())
LOGS = np.log([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])


def test_metrics_counted_by_hand() -> None:
    predictions = Predictions()
    # Two parts; the last prediction is ignored.
    predictions.add(np.array([0, 0]), np.array([1, 2]), np.array([0, 1]), LOGS[:2])
    predictions.add(np.array([1, 1]), np.array([1, 2]), np.array([2, IGNORED]), LOGS[2:])
    metrics = predictions.metrics(CLASSES.events, (1, 2, 3))
    assert metrics.predictions == len(predictions) == 3
    assert metrics.top_1 == pytest.approx(2 / 3)
    nats = [np.log(2), np.log(2), np.log(4)]
    assert metrics.cross_entropy.value == predictions.cross_entropy() == pytest.approx(np.mean(nats))
    view, purchase, end = metrics.classes
    assert (view.name, view.actual, view.predicted, view.precision, view.recall) == ("view", 1, 2, 0.5, 1.0)
    assert (purchase.actual, purchase.predicted, purchase.f1) == (1, 1, 1.0)
    assert (end.actual, end.predicted, end.f1) == (1, 0, 0.0)
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)
    # There is no prediction after three events, and one session has no interval.
    assert [(row.steps, row.predictions) for row in metrics.by_steps] == [(1, 2), (2, 1)]
    assert (metrics.by_steps[1].top_1, metrics.by_steps[1].cross_entropy.low) == (1.0, None)


def test_without_a_category_there_is_a_reason_and_without_a_prediction_an_error() -> None:
    predictions = NextEventPredictions(CLASSES, "the log has none")
    with pytest.raises(UserError, match="no session whose next events"):
        predictions.metrics((1,))
    assert predictions.cross_entropies().event is None
    ignored = np.full(4, IGNORED)
    predictions.add(np.arange(4), np.ones(4, int), (np.zeros(4, int), ignored), (LOGS, np.zeros((4, 0))))
    metrics = predictions.metrics((1,))
    assert (metrics.category, metrics.reason) == (None, "the log has none")
    assert predictions.cross_entropies().category is None


def test_one_value_per_session_has_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=200)
    mean = mean_with_interval(values, np.arange(200))
    assert mean.high is not None
    assert mean.high - mean.value == pytest.approx(1.959964 * values.std(ddof=1) / 200**0.5)


def test_an_ensemble_predicts_the_mean_of_probabilities() -> None:
    mean = log_mean([np.log([[0.2, 0.8]]), np.log([[0.6, 0.4]])])
    np.testing.assert_allclose(np.exp(mean), [[0.4, 0.6]])
