"""The first screen's sentences on the best model."""

import pytest
from factories import run_metrics as metrics

from rabbithole.artifacts.evaluation import (
    AucInterval,
    Campaign,
    CampaignOutcome,
    Metrics,
    StepsRanking,
    ThresholdOutcome,
)
from rabbithole.report.headline import Row, rows
from rabbithole.report.overview import answer, campaign_sentence, in_words, running_sentence, weaknesses
from rabbithole.report.wording import GAP


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


def test_the_answer_tells_ended_from_running_sessions() -> None:
    ended = metrics(0.85)
    best = best_row(ended)
    assert answer(best, [ended]) == "Once a session has ended, buyers can be told from others well."
    begun = ended.model_copy(update={"by_steps": [running(1, 0.57)]})
    assert answer(best, [begun]).endswith("others well; after its first event, barely.")


def test_with_too_few_buyers_there_is_no_answer_in_words() -> None:
    """The verdict then begins with the number of buyers."""
    few = metrics(0.9, buyers=12)
    assert answer(best_row(few), [few]) is None


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ({1: None}, None),
        ({1: 0.6}, "it is harder to tell who will buy: the AUC is 0.600 [0.580, 0.620] after 1 event."),
        ({1: None, 3: 0.9}, "While a session still runs, the AUC is 0.900 [0.880, 0.920] after 3 events."),
    ],
)
def test_running_sessions_are_compared_with_ended_ones(
    steps: dict[int, float | None], sentence: str | None
) -> None:
    run = metrics(0.8).model_copy(update={"by_steps": [running(*each) for each in steps.items()]})
    text = running_sentence([run], 0.8)
    assert text == sentence if text is None or sentence is None else text.endswith(sentence)


@pytest.mark.parametrize(
    ("value", "everybody", "sentence"),
    [
        (170.0, -585.0, "Contacting everybody is worth \N{MINUS SIGN}585, and nobody 0."),
        (229.0, 661.0, "Contacting everybody is worth 661: at these amounts the model is not needed."),
        (-5.0, -50.0, "Contacting nobody is worth 0: at these amounts the model is not needed."),
    ],
)
def test_a_model_that_earns_no_more_than_everybody_or_nobody_is_not_needed(
    value: float, everybody: float, sentence: str
) -> None:
    outcome = {"contacted": 10, "buyers": 1, "low": value - 1, "high": value + 1}
    campaign = Campaign(
        contact_cost=1,
        sale_worth=50,
        everybody=CampaignOutcome(**outcome | {"value": everybody}),
        expected=ThresholdOutcome(**outcome, value=0.0, threshold=0.02),
        chosen=ThresholdOutcome(**outcome, value=value, threshold=0.03),
    )
    best = best_row(metrics(0.8).model_copy(update={"campaign": campaign}))
    assert campaign_sentence(best).endswith(sentence)


def test_an_interval_with_chance_in_it_is_a_weakness() -> None:
    weak = metrics(0.505)
    best = best_row(weak)
    first, precision = weaknesses(best, [weak])
    assert "may be no better than chance" in first
    assert (
        precision == f"Of the 5{GAP}% of sessions with the highest scores, 30{GAP}% buy; the others do not."
    )
