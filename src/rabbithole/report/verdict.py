"""Sentences on the metrics of a data set: the main result, differences between models, and warnings."""

from collections.abc import Iterable, Sequence

from rabbithole.artifacts.checks import LeakCheck
from rabbithole.artifacts.data import Diagnosis
from rabbithole.artifacts.evaluation import Comparison, PairedTest
from rabbithole.counts import listed
from rabbithole.report.headline import Row, best
from rabbithole.report.runs import ENSEMBLE, ORACLE, by_model, model_of, name_in_sentence, run_name
from rabbithole.report.wording import GAP, capitalised, chance, interval, metric, plural, share

FEW_BUYERS = 100
"""Test buyers below which the reader is warned of wide intervals."""

TOO_FEW_BUYERS = 20
"""Test buyers below which this is the first thing said: the AUC's interval is then wider than about 0.4."""

FOLDS = "`split: {by: folds}`, which tests every session once"
"""What brings more buyers into test than one split does."""

SUSPICIOUS_AUC = 0.95
"""AUC above which the reader is warned of a leak."""

SLOPES = (0.9, 1.1)
"""Range of calibration slopes that count as calibrated."""

BASELINE = "gradient_boosting"

SIGNIFICANCE = 0.05
"""p-value below which a difference between two models is reported as one."""

ORACLE_SIGNIFICANCE = 0.01
"""p-value below which a model that beats the oracle is reported as a leak."""


def verdict(dataset: str, rows: list[Row], *, folds: int = 0) -> str:
    """Return a few sentences on the ranking of the best model of a data set. folds: 0 without folds."""
    top = best(rows)
    if top is None or top.auc is None:
        reason = next((row.reason for row in rows if row.reason), "no model was scored")
        advice = "Use a longer log" + ("." if folds else f", or {FOLDS}.")
        return (
            f"On {dataset}, there is no AUC: {reason}. So nothing shows that a model is worth using. {advice}"
        )
    sentences, best_is = [], f"On {dataset}, the best model is"
    if top.buyers < TOO_FEW_BUYERS:
        best_is = "The best model is"
        sentences.append(
            f"On {dataset}, only {plural(top.buyers, 'buyer')} of {plural(top.sessions, 'test session')} "
            f"are left, so all figures are rough: the AUC may lie anywhere from {metric(top.low)} to "
            f"{metric(top.high)} (95{GAP}% interval)."
        )
    sentences.append(
        f"{best_is} {name_in_sentence(top.model)}. When a session has ended, it "
        f"ranks a random buyer above a random non-buyer {share(top.auc)} of the time (AUC {metric(top.auc)}, "
        f"95{GAP}% interval {metric(top.low)} to {metric(top.high)})."
    )
    if folds:
        sentences.append(
            f"The figures are of all {plural(top.sessions, 'session')}, in {folds} folds by visitor: each is "
            "scored by a model that learned from neither it nor its visitor."
        )
    first = max((row for row in rows if row.auc is not None and not row.is_oracle), key=_auc)
    if metric(_auc(first)) != metric(top.auc):
        sentences.append(
            f"The best model was chosen on other sessions (valid). On the test sessions, "
            f"{name_in_sentence(first.model)} has the highest AUC ({metric(first.auc)})."
        )
    oracle = next((row for row in rows if row.is_oracle and row.auc is not None), None)
    if oracle and oracle.auc is not None:
        difference = oracle.auc - top.auc
        higher = f", {metric(difference)} higher" if difference > 0 else ""
        sentences.append(
            f"The best possible AUC on these simulated sessions is {metric(oracle.auc)}{higher}."
        )
    return " ".join(sentences)


def _auc(row: Row) -> float:
    return -1.0 if row.auc is None else row.auc


def is_suspicious(row: Row) -> bool:
    """Return whether a model is so good that the answer probably leaks into its input."""
    return row.auc is not None and row.auc > SUSPICIOUS_AUC


def check_warnings(checks: list[LeakCheck]) -> list[str]:
    """Return a warning for each leak check that fails."""
    return [f"A leak check fails. {check.name}: {check.detail}." for check in checks if not check.holds]


def warnings(
    rows: list[Row],
    comparison: Comparison | None,
    *,
    visitors_on_both_sides: int | None = None,
    diagnoses: Sequence[Diagnosis] = (),
) -> list[str]:
    """Return what might mislead a reader of a data set's metrics.

    visitors_on_both_sides: visitors with sessions both in test and in an earlier split, None if unknown;
    diagnoses: of the sessions.
    """
    texts = [f"{diagnosis.text} {diagnosis.advice}" for diagnosis in diagnoses]
    scored = [row for row in rows if row.auc is not None]
    models = [row for row in scored if not row.is_oracle]
    few_is_said = any(diagnosis.kind == "few buyers" for diagnosis in diagnoses)
    if rows and rows[0].buyers < FEW_BUYERS and not few_is_said:
        texts.append(
            f"Only {plural(rows[0].buyers, 'buyer')} in {plural(rows[0].sessions, 'test session')}: "
            "the intervals are wide, and small differences between models mean nothing."
        )
    if suspicious := [f"{row.name} ({metric(row.auc)})" for row in models if is_suspicious(row)]:
        texts.append(
            f"An AUC above {SUSPICIOUS_AUC} suggests that the answer leaks into the input: "
            f"{listed(suspicious)}. See which fields the models rely on, and whether an event or a column is "
            "written only because of a purchase, or only without one."
        )
    for row in models:
        slope = row.calibration.slope
        if slope and (slope.high < SLOPES[0] or slope.low > SLOPES[1]):
            fault = "not extreme enough" if slope.value > 1 else "too extreme"
            texts.append(
                f"{row.name} is not calibrated: its calibration slope of {slope.value:.2f} means that its "
                f"probabilities are {fault}. Use its ranking, not its probabilities."
            )
    texts += _beyond_oracle(comparison)
    baseline = next((row for row in models if row.model == BASELINE), None)
    others = [row for row in models if row is not baseline]
    if baseline and others and all((row.auc or 0) <= (baseline.auc or 0) for row in others):
        texts.append("No other model beats the baseline, gradient boosting on aggregates of each session.")
    if visitors_on_both_sides:
        texts.append(
            f"Train or valid contains sessions of {plural(visitors_on_both_sides, 'visitor')} of the test "
            "split, whom a model may recognise."
        )
    return texts


def _beyond_oracle(comparison: Comparison | None) -> list[str]:
    """Return a warning for each run that ranks better than possible."""
    texts = []
    for pair in comparison.pairs if comparison else []:
        runs, difference = (pair.first, pair.second), pair.difference
        if model_of(pair.first) == ORACLE:
            runs, difference = (pair.second, pair.first), -difference
        run, other = runs
        is_against_oracle = model_of(other) == ORACLE and model_of(run) != ORACLE
        if is_against_oracle and difference > 0 and pair.p < ORACLE_SIGNIFICANCE:
            texts.append(
                f"{run_name(run, with_seed=True)} ranks better than possible ({chance(pair.p)}): "
                "the answer leaks into its input, or the oracle is wrong."
            )
    return texts


def comparison_sentences(comparison: Comparison | None, best: str | None = None) -> list[str]:
    """Return a sentence per pair of models; of several seeds, the ensemble or else the first is compared.

    best: a model whose pairs come first.
    """
    if not comparison:
        return []
    if comparison.reason:
        return [f"The models cannot be compared: {comparison.reason}."]
    shown = _one_run_per_model(run for pair in comparison.pairs for run in (pair.first, pair.second))
    pairs = [pair for pair in comparison.pairs if pair.first in shown and pair.second in shown]
    pairs.sort(key=lambda pair: best not in (model_of(pair.first), model_of(pair.second)))
    return [_comparison_sentence(pair) for pair in pairs]


def _one_run_per_model(runs: Iterable[str]) -> set[str]:
    """Return the ensemble of each model, or else its first seed."""
    groups = by_model(set(runs))
    return {
        group[0]
        for model, group in groups.items()
        if model.endswith(ENSEMBLE) or model + ENSEMBLE not in groups
    }


def _comparison_sentence(pair: PairedTest) -> str:
    better, worse, difference = pair.first, pair.second, pair.difference
    low, high = pair.low, pair.high
    if difference < 0:
        better, worse, difference, low, high = worse, better, -difference, -high, -low
    first, second = name_in_sentence(model_of(better)), name_in_sentence(model_of(worse))
    result = f"{metric(difference)} {interval(low, high)}, {chance(pair.p)}"
    if pair.p < SIGNIFICANCE:
        return f"{capitalised(first)} ranks better than {second}: its AUC is higher by {result}."
    return f"{capitalised(first)} and {second} do not differ significantly: AUC difference {result}."
