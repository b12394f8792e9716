"""The first screen's sentences on the best model."""

import numpy as np
import pytest
from factories import run_metrics as metrics

from rabbithole.artifacts.evaluation import (
    AucInterval,
    Campaign,
    Metrics,
    StepsRanking,
    ThresholdOutcome,
)
from rabbithole.evaluation.campaign import outcome
from rabbithole.evaluation.delong import wilson_interval
from rabbithole.report.headline import Row, rows
from rabbithole.report.overview import (
    answer,
    campaign_sentence,
    gain_over_everybody,
    in_words,
    meaning,
    running_sentence,
    weaknesses,
)
from rabbithole.report.wording import GAP
from rabbithole.specs.evaluation import EvaluateSpec


def best_row(run: Metrics) -> Row:
    (row,) = rows({"gru seed 0": run}, {}, None)
    return row


def running(steps: int, auc: float | None) -> StepsRanking:
    interval = None if auc is None else AucInterval(value=auc, low=auc - 0.02, high=auc + 0.02, error=0.01)
    return StepsRanking(
        sessions=100,
        buyers=10,
        share=0.1,
        auc=interval,
        average_precision=None,
        reason=None if interval else "no buyers",
        steps=steps,
        log_loss=0.1,
        mean_score=0.1,
        slope=None,
        reached=None,
    )


@pytest.mark.parametrize(
    ("auc", "low", "words"),
    [
        (None, None, "no better than by chance"),
        (0.7, 0.49, "no better than by chance"),
        (0.55, 0.51, "barely"),
        (0.61, 0.6, "a little"),
        (0.85, 0.8, "well"),
        (1.0, 1.0, "very well"),
    ],
)
def test_an_auc_is_put_in_words(auc: float | None, low: float | None, words: str) -> None:
    assert in_words(auc, low) == words


def test_the_answer_distinguishes_ended_from_running_sessions() -> None:
    ended = metrics(0.85)
    best = best_row(ended)
    assert answer(best, [ended]) == "Once a session has ended, the model ranks buyers above others well."
    running_only = ended.model_copy(update={"by_steps": [running(1, 0.57)]})
    assert answer(best, [running_only]) == (
        "While a session still runs, the model ranks buyers above others after 1 event barely "
        "(AUC 0.570 [0.550, 0.590]). Once a session has ended: well."
    )


def test_with_too_few_buyers_there_is_no_answer_in_words() -> None:
    """The verdict then begins with the number of buyers."""
    few = metrics(0.9, buyers=12)
    assert answer(best_row(few), [few]) is None


def test_a_model_that_is_too_good_is_not_recommended() -> None:
    leaky = metrics(0.99)
    best = best_row(leaky)
    assert (answer(best, [leaky]) or "").startswith("Do not use this model yet: an AUC of 0.990")
    assert not any("use the model" in text for text in meaning(best, [leaky]))


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ({1: None}, None),
        ({1: 0.6}, "others after 1 event a little (AUC 0.600 [0.580, 0.620])."),
        ({1: None, 3: 0.51}, "others after 3 events no better than by chance (AUC 0.510 [0.490, 0.530])."),
    ],
)
def test_running_sessions_are_reported_with_their_interval(
    steps: dict[int, float | None], sentence: str | None
) -> None:
    run = metrics(0.8).model_copy(update={"by_steps": [running(*each) for each in steps.items()]})
    text = running_sentence([run])
    assert text == sentence if text is None or sentence is None else text.endswith(sentence)


def a_campaign(*, chosen: tuple[int, int], everybody: tuple[int, int], cost: float, worth: float) -> Campaign:
    """Return a campaign from (contacted, buyers), with the interval that evaluation gives."""
    labels = np.zeros(everybody[0], np.int8)
    labels[: everybody[1]] = 1
    contacted = np.zeros(everybody[0], bool)
    contacted[: chosen[1]] = True
    contacted[everybody[1] : everybody[1] + chosen[0] - chosen[1]] = True
    costs = EvaluateSpec(contact_cost=cost, sale_worth=worth)
    best = ThresholdOutcome(threshold=0.1, **dict(outcome(labels, contacted, costs)))
    return Campaign(
        contact_cost=cost,
        sale_worth=worth,
        everybody=outcome(labels, np.ones(len(labels), bool), costs),
        expected=best,
        chosen=best,
    )


@pytest.mark.parametrize(
    ("chosen", "everybody", "worth", "sentence"),
    [
        (
            (100, 40),
            (1000, 50),
            10,
            "Yes, use the model: it earns 300 [189, 411] more than contacting nobody.",
        ),
        ((10, 1), (1000, 50), 11, "No, contact nobody: that the model earns more is not shown, as"),
        ((10, 0), (1000, 50), 11, "No, contact nobody: the model does not earn more."),
        ((500, 490), (1000, 500), 10, "Yes, use the model: it earns 400 ["),
        ((980, 499), (1000, 500), 10, "No, contact everybody: that the model earns more is not shown, as"),
        ((900, 400), (1000, 500), 10, "No, contact everybody: the model does not earn more."),
        # Among 21 sessions left out no buyer was seen, but each one would cost 500.
        ((136, 8), (157, 8), 500, "No, contact everybody: that the model earns more is not shown, as"),
    ],
)
def test_whether_to_use_the_model_follows_from_the_interval_of_its_gain(
    chosen: tuple[int, int], everybody: tuple[int, int], worth: float, sentence: str
) -> None:
    campaign = a_campaign(chosen=chosen, everybody=everybody, cost=1, worth=worth)
    best = best_row(metrics(0.8).model_copy(update={"campaign": campaign}))
    assert sentence in campaign_sentence(best)


def test_the_gain_over_everybody_has_the_interval_of_the_buyers_left_out() -> None:
    campaign = a_campaign(chosen=(500, 490), everybody=(1000, 500), cost=1, worth=10)
    differences = 1000 * np.repeat([0.0, 1.0, -9.0], [500, 490, 10])
    gain = gain_over_everybody(campaign, campaign.expected)
    low, high = wilson_interval(10, 500)
    assert gain.value == pytest.approx(differences.mean())
    assert (gain.low, gain.high) == pytest.approx((500 * (1 - 10 * high), 500 * (1 - 10 * low)))
    half = campaign.expected.model_copy(update={"left_out_effect": 2.0})
    low, high = wilson_interval(5, 250)
    assert gain_over_everybody(campaign, half).low == pytest.approx(500 * (1 - 10 * high))


def test_an_interval_with_chance_in_it_is_a_weakness() -> None:
    weak = metrics(0.505)
    best = best_row(weak)
    first, precision = weaknesses(best)
    assert "may be no better than chance" in first
    assert (
        precision == f"Of the 5{GAP}% of sessions with the highest scores, 30{GAP}% buy; the others do not."
    )
