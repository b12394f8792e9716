"""What the figures of a data set mean, in plain sentences, and what a reader should beware of."""

from typing import Any

from rabbithole.report.headline import Row, best
from rabbithole.report.runs import ORACLE, model_of, name_in_sentence, run_name
from rabbithole.report.wording import GAP, area, chance, factor, number, plural, share

FEW_BUYERS = 100
SUSPICIOUS_AUC = 0.95
BASELINE = "gradient_boosting"
CERTAIN = 0.05  # Below this p a difference is called one.


def verdict(dataset: str, rows: list[Row], *, simulated: bool, no_oracle: str | None) -> str:
    """Return a few sentences on the best model of a data set."""
    top = best(rows)
    if top is None or top.auc is None:
        reason = next((row.reason for row in rows if row.reason), "no model was scored")
        return f"On {dataset} no AUC can be given: {reason}."
    kind = "simulated" if simulated else "real"
    parts = [
        f"On {dataset} the best model, {name_in_sentence(top.model)}, ranks a random buyer above a random non-buyer "
        f"{share(top.auc)} of the time (AUC {area(top.auc)}, 95{GAP}% interval {area(top.low)} to "
        f"{area(top.high)})."
    ]
    oracle = next((row for row in rows if row.is_oracle and row.auc is not None), None)
    if oracle and oracle.auc is not None:
        gap = oracle.auc - top.auc
        short = f", {area(gap)} more" if gap > 0 else ""
        parts.append(
            f"The best that any model could do on these {kind} sessions is {area(oracle.auc)}{short}."
        )
    elif no_oracle:
        parts.append(f"How much better a model could be is not known ({no_oracle}).")
    if top.lift is not None:
        parts.append(
            f"The 5{GAP}% of sessions that it ranks highest hold {share(top.reached)} of the buyers, "
            f"{factor(top.lift)} times as many as chance would put there."
        )
    return " ".join(parts)


def warnings(
    rows: list[Row], comparison: dict[str, Any] | None, *, visitors_on_both_sides: int | None = None
) -> list[str]:
    """Return what a reader of a data set's figures must know to not be misled."""
    found = []
    judged = [row for row in rows if row.auc is not None]
    if rows and rows[0].buyers < FEW_BUYERS:
        found.append(
            f"Only {plural(rows[0].buyers, 'buyer')} among {number(rows[0].sessions)} test sessions: "
            "the intervals are wide, and small differences between models say nothing."
        )
    for row in judged:
        if not row.is_oracle and row.auc is not None and row.auc > SUSPICIOUS_AUC:
            found.append(
                f"{row.name} has an AUC of {area(row.auc)}. Above {SUSPICIOUS_AUC} suspect that the answer "
                "leaks into the input, until shown otherwise."
            )
        slope = row.calibration["slope"]
        if not row.is_oracle and slope and (slope["low"] > 1.1 or slope["high"] < 0.9):
            habit = "too timid" if slope["value"] > 1 else "too extreme"
            found.append(
                f"{row.name} is not calibrated: its slope of {slope['value']:.2f} says that its "
                f"probabilities are {habit}. Use its order, not its numbers."
            )
    found += _beyond_oracle(comparison)
    baseline = next((row for row in judged if row.model == BASELINE), None)
    networks = [row for row in judged if not row.is_oracle and row is not baseline]
    if baseline and networks and all((row.auc or 0) <= (baseline.auc or 0) for row in networks):
        found.append("No network is ahead of the baseline, gradient boosting on aggregates of a session.")
    if visitors_on_both_sides:
        found.append(
            f"{plural(visitors_on_both_sides, 'visitor')} of the test sessions also stand in train or valid: "
            "a model may know them."
        )
    return found


def _beyond_oracle(comparison: dict[str, Any] | None) -> list[str]:
    """Warn of models that are better than possible."""
    found = []
    for pair in (comparison or {"pairs": []})["pairs"]:
        names = [model_of(pair["first"]), model_of(pair["second"])]
        if ORACLE not in names or names[0] == names[1]:
            continue
        beyond = pair["difference"] if names[1] == ORACLE else -pair["difference"]
        if beyond > 0 and pair["p"] < 0.01:
            name = pair["first"] if names[1] == ORACLE else pair["second"]
            found.append(
                f"{run_name(name, with_seed=True)} scores above the best possible ({chance(pair['p'])}): "
                "the answer leaks into its input, or the oracle is wrong."
            )
    return found


def tests_in_words(comparison: dict[str, Any] | None) -> list[str]:
    """Return a sentence per pair of models; where there are several seeds, those of the first are paired."""
    if not comparison:
        return []
    if comparison["reason"]:
        return [f"The models can't be compared: {comparison['reason']}."]
    seeds = sorted(
        {_seed(name) for pair in comparison["pairs"] for name in (pair["first"], pair["second"])} - {""}
    )
    kept = [
        pair
        for pair in comparison["pairs"]
        if all(_seed(pair[side]) in ("", *seeds[:1]) for side in ("first", "second"))
    ]
    return [_in_words(pair) for pair in kept]


def _in_words(pair: dict[str, Any]) -> str:
    ahead, behind = pair["first"], pair["second"]
    difference, low, high = pair["difference"], pair["low"], pair["high"]
    if difference < 0:
        ahead, behind, difference, low, high = behind, ahead, -difference, -high, -low
    first, second = name_in_sentence(model_of(ahead)), name_in_sentence(model_of(behind))
    first = first[0].upper() + first[1:]
    facts = f"{area(difference)} [{area(low)}, {area(high)}], {chance(pair['p'])}"
    if pair["p"] < CERTAIN:
        return f"{first} ranks better than {second}: AUC higher by {facts}."
    return f"{first} and {second} can't be told apart: difference {facts}."


def _seed(name: str) -> str:
    return name.removeprefix(model_of(name)).removeprefix(" seed ")
