"""Sentences of the first screen: what the best model of a data set means to a shop, and where it is weak."""

from collections.abc import Sequence
from statistics import NormalDist

from rabbithole.artifacts.evaluation import (
    Campaign,
    CampaignOutcome,
    Interval,
    Metrics,
    RunningRanking,
    ThresholdOutcome,
)
from rabbithole.counts import listed, number
from rabbithole.report.headline import HEADLINE_TOP, Row, mean
from rabbithole.report.verdict import TOO_FEW_BUYERS, is_suspicious
from rabbithole.report.wording import GAP, amount, factor, interval, metric, plural, share

RUNNING_STEPS = (1, 3, 5)
"""Events after which the first screen says how well running sessions are ranked."""

VALUE_PER = 1000
"""Sessions that the value of a campaign refers to."""

CHANCE = 0.5
"""The AUC of random scores."""

WORDS = ((0.6, "barely"), (0.7, "a little"), (0.8, "fairly well"), (0.9, "well"), (1.01, "very well"))
"""What an AUC below each value means in words, after Hosmer and Lemeshow (2000), section 5.2.4."""

TOP = f"{HEADLINE_TOP:.0%}".replace("%", f"{GAP}%")


def answer(best: Row, runs: Sequence[Metrics]) -> str | None:
    """Return how well the model ranks buyers above others, while sessions run and then once they have ended.

    None with too few buyers to say. For a model that is too good, the text says not to believe it. runs:
    metrics of the model's seeds.
    """
    if best.buyers < TOO_FEW_BUYERS:
        return None
    if is_suspicious(best):
        return (
            f"Do not use this model yet: an AUC of {metric(best.auc)} is too good. The answer probably leaks "
            "into what the model sees."
        )
    ended = in_words(best.auc, best.low)
    if running := running_sentence(runs):
        return f"{running} Once a session has ended: {ended}."
    return f"Once a session has ended, the model ranks buyers above others {ended}."


def in_words(auc: float | None, low: float | None) -> str:
    """Return in words how well a model with this AUC ranks. low: the lower end of its interval."""
    if auc is None or low is None or low <= CHANCE:
        return "no better than by chance"
    return next(words for limit, words in WORDS if auc < limit)


def meaning(best: Row, runs: Sequence[Metrics]) -> list[str]:
    """Return what the scores of the best model are worth to a shop, in sentences.

    There is no advice to use a model that is too good. runs: metrics of the model's seeds.
    """
    texts = running_reach(runs)
    if best.lift is not None:
        texts.append(
            f"The {TOP} of ended sessions with the highest scores contain {share(best.reached)} of "
            f"the buyers, {factor(best.lift)} times as many as a random choice."
        )
    return texts if is_suspicious(best) else [*texts, campaign_sentence(best)]


def running_reach(runs: Sequence[Metrics]) -> list[str]:
    """Return how many buyers are reached among running sessions, after the most events that are named."""
    for steps in reversed(RUNNING_STEPS):
        reached = mean(
            [row.reached for run in runs for row in run.by_steps if row.steps == steps and row.auc]
        )
        if reached is not None:
            return [
                f"Of the sessions that still run after {plural(steps, 'event')}, the {TOP} with the highest "
                f"scores contain {share(reached)} of those that will buy."
            ]
    return []


def campaign_sentence(best: Row) -> str:
    """Return what contacting the sessions with the highest scores is worth, and whether to use the model.

    The answer comes from the interval of the gain over the better of contacting everybody and nobody.
    """
    campaign = best.campaign
    chosen = campaign.chosen or campaign.expected
    everybody = campaign.everybody.value
    cost, worth = number(campaign.contact_cost), number(campaign.sale_worth)
    other = "everybody" if everybody > 0 else "nobody"
    gain: Interval | CampaignOutcome = chosen
    if everybody > 0:
        gain = gain_over_everybody(campaign, chosen)
    ends = f"[{amount(gain.low)}, {amount(gain.high)}]"
    if gain.low > 0:
        verdict = f"Yes, use the model: it earns {amount(gain.value)} {ends} more than contacting {other}."
    elif gain.value > 0:
        verdict = (
            f"No, contact {other}: that the model earns more is not shown, "
            f"as the interval of its gain, {ends}, contains 0."
        )
    else:
        verdict = f"No, contact {other}: the model does not earn more."
    return (
        f"If a contact costs {cost} and a sale is worth {worth}, contacting the ended sessions that the "
        f"model chooses is worth {amount(chosen.value)} per 1,000 sessions "
        f"[{amount(chosen.low)}, {amount(chosen.high)}], contacting everybody {amount(everybody)}, and "
        f"nobody 0. {verdict}"
    )


def gain_over_everybody(campaign: Campaign, chosen: ThresholdOutcome) -> Interval:
    """Return what choosing earns more than contacting everybody, per 1,000 sessions, with 95 % interval.

    The sessions left out save their contacts and lose the sales of the buyers among them. The interval is by
    Wilson's of the share of buyers among them, their number given. That of a mean would be narrow where by
    chance no such buyer was seen, although each one costs a sale.
    """
    everybody = campaign.everybody
    left_out = everybody.contacted - chosen.contacted
    buyers = everybody.buyers - chosen.buyers
    if not left_out:
        return Interval(value=0.0, low=0.0, high=0.0)

    def gain(share: float) -> float:
        each = campaign.contact_cost - campaign.sale_worth * share
        return VALUE_PER * left_out / everybody.contacted * each

    share, trials = buyers / left_out, left_out / chosen.left_out_effect
    squared = NormalDist().inv_cdf(0.975) ** 2
    centre = share + squared / (2 * trials)
    half_width = (squared * (share * (1 - share) / trials + squared / (4 * trials**2))) ** 0.5
    low, high = ((centre + sign * half_width) / (1 + squared / trials) for sign in (-1, 1))
    return Interval(value=gain(share), low=gain(high), high=gain(low))


def weaknesses(best: Row) -> list[str]:
    """Return where the best model is weak, in sentences."""
    texts = []
    if best.low is not None and best.low <= CHANCE:
        texts.append(
            f"The interval of the AUC, {interval(best.low, best.high)}, contains {CHANCE}: "
            "the model may be no better than chance."
        )
    if best.lift is not None and best.share is not None:
        buyers = best.lift * best.share
        if buyers < 0.5:
            texts.append(
                f"Of the {TOP} of sessions with the highest scores, {share(buyers)} buy; the others do not."
            )
    return texts


def running_sentence(runs: Sequence[Metrics]) -> str | None:
    """Return how well running sessions are ranked, as a sentence; None if no running session has an AUC."""
    parts = []
    for steps in RUNNING_STEPS:
        after = [row for run in runs for row in run.by_steps if row.steps == steps]
        parts += _ranking_at(f"after {plural(steps, 'event')}", after)
    parts += _ranking_at("at the first add-to-cart", [run.at_first_cart for run in runs])
    if not parts:
        return None
    return f"While a session still runs, the model ranks buyers above others {listed(parts)}."


def _ranking_at(moment: str, rankings: Sequence[RunningRanking | None]) -> list[str]:
    """Return how well running sessions are ranked at a moment, in words; none without an AUC."""
    aucs = [ranking.auc for ranking in rankings if ranking and ranking.auc]
    if not aucs:
        return []
    value, low, high = (mean([getattr(auc, end) for auc in aucs]) for end in ("value", "low", "high"))
    return [f"{moment} {in_words(value, low)} (AUC {metric(value)} {interval(low, high)})"]
