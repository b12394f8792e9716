"""Sentences of the first screen: what the best model of a data set means to a shop, and where it is weak."""

from collections.abc import Sequence

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.counts import listed, number
from rabbithole.report.headline import HEADLINE_TOP, Row, mean
from rabbithole.report.verdict import TOO_FEW_BUYERS
from rabbithole.report.wording import GAP, amount, factor, interval, metric, share

RUNNING_STEPS = (1, 3, 5)
"""Events after which the first screen says how well one can tell while a session runs."""

CHANCE = 0.5
"""The AUC of random scores."""

WORDS = ((0.6, "barely"), (0.7, "a little"), (0.8, "fairly well"), (0.9, "well"), (1.01, "very well"))
"""What an AUC below each value means in words, after Hosmer and Lemeshow (2000), section 5.2.4."""

TOP = f"{HEADLINE_TOP:.0%}".replace("%", f"{GAP}%")


def answer(best: Row, runs: Sequence[Metrics]) -> str | None:
    """Return in plain words how well buyers can be told from others, None with too few buyers to say.

    runs: metrics of the model's seeds.
    """
    if best.buyers < TOO_FEW_BUYERS:
        return None
    text = f"Once a session has ended, buyers can be told from others {in_words(best.auc, best.low)}"
    aucs = [row.auc for run in runs for row in run.by_steps if row.steps == 1 and row.auc]
    if not aucs:
        return f"{text}."
    first = in_words(mean([auc.value for auc in aucs]), mean([auc.low for auc in aucs]))
    return f"{text}; after its first event, {first}."


def in_words(auc: float | None, low: float | None) -> str:
    """Return in words how well a model with this AUC ranks. low: the lower end of its interval."""
    if auc is None or low is None or low <= CHANCE:
        return "no better than by chance"
    return next(words for limit, words in WORDS if auc < limit)


def meaning(best: Row) -> list[str]:
    """Return what the scores of the best model are worth to a shop, in sentences."""
    texts = []
    if best.lift is not None:
        texts.append(
            f"The {TOP} of sessions with the highest scores contain {share(best.reached)} of "
            f"the buyers, {factor(best.lift)} times as many as a random choice."
        )
    return [*texts, campaign_sentence(best)]


def campaign_sentence(best: Row) -> str:
    """Return what contacting the sessions with the highest scores is worth, against everybody and nobody."""
    campaign = best.campaign
    chosen = campaign.chosen or campaign.expected
    everybody = campaign.everybody.value
    cost, worth = number(campaign.contact_cost), number(campaign.sale_worth)
    text = (
        f"If a contact costs {cost} and a sale is worth {worth}, contacting the sessions that the model "
        f"chooses is worth {amount(chosen.value)} per 1,000 sessions "
        f"[{amount(chosen.low)}, {amount(chosen.high)}]. "
    )
    if chosen.value > max(everybody, 0):
        return f"{text}Contacting everybody is worth {amount(everybody)}, and nobody 0."
    simpler = f"everybody is worth {amount(everybody)}" if everybody > 0 else "nobody is worth 0"
    return f"{text}Contacting {simpler}: at these amounts the model is not needed."


def weaknesses(best: Row, runs: Sequence[Metrics]) -> list[str]:
    """Return where the best model is weak, in sentences. runs: the metrics of its seeds."""
    texts = []
    if best.low is not None and best.low <= CHANCE:
        texts.append(
            f"The interval of the AUC, {interval(best.low, best.high)}, contains {CHANCE}: "
            "the model may be no better than chance."
        )
    if running := running_sentence(runs, best.auc):
        texts.append(running)
    if best.lift is not None and best.share is not None:
        buyers = min(best.lift * best.share, 1.0)
        texts.append(
            f"Of the {TOP} of sessions with the highest scores, {share(buyers)} buy; the others do not."
        )
    return texts


def running_sentence(runs: Sequence[Metrics], ended: float | None) -> str | None:
    """Return how well one can tell while a session runs; None if no running session has an AUC.

    ended: the AUC of ended sessions.
    """
    parts, values = [], []
    for steps in RUNNING_STEPS:
        aucs = [row.auc for run in runs for row in run.by_steps if row.steps == steps and row.auc]
        value = mean([auc.value for auc in aucs])
        if value is not None:
            ends = interval(mean([auc.low for auc in aucs]), mean([auc.high for auc in aucs]))
            parts.append(f"{metric(value)} {ends} after {steps}")
            values.append(value)
    if not parts:
        return None
    noun = "event" if parts[-1].endswith(" 1") else "events"
    harder = "it is harder to tell who will buy: " if max(values) < (ended or 0) else ""
    return f"While a session still runs, {harder}the AUC is {listed(parts)} {noun}."
