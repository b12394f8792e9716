"""Sentences and warnings on the metrics of a data set."""

from dataclasses import replace

import pytest
from factories import run_metrics as metrics

from rabbithole.artifacts.checks import LeakCheck
from rabbithole.artifacts.evaluation import Comparison, Metrics, PairedTest
from rabbithole.report.headline import Row, best, rows
from rabbithole.report.verdict import check_warnings, comparison_sentences, verdict, warnings
from rabbithole.report.wording import GAP


def pair(first: str, second: str, difference: float, p: float) -> PairedTest:
    low, high = difference - 0.01, difference + 0.01
    return PairedTest(
        first=first, second=second, difference=difference, low=low, high=high, error=0.005, z=1.0, p=p
    )


def comparison(*pairs: PairedTest) -> Comparison:
    return Comparison(sessions=10_000, buyers=500, reason=None, pairs=list(pairs))


def headline(scores: dict[str, Metrics], tests: Comparison | None = None) -> list[Row]:
    return rows(scores, {}, tests)


def test_the_better_model_is_the_subject_of_a_comparison() -> None:
    tests = comparison(
        pair("gru seed 0", "dilated_conv seed 0", -0.021, 1e-9), pair("gru seed 0", "oracle", -0.004, 0.4)
    )
    first, second = (text.replace("\N{NO-BREAK SPACE}", " ") for text in comparison_sentences(tests))
    assert first == (
        "The dilated convolution ranks better than the GRU: its AUC is higher by 0.021 [0.011, 0.031], "
        "p < 0.0001."
    )
    assert second == (
        "The oracle and the GRU do not differ significantly: AUC difference 0.004 "
        "[\N{MINUS SIGN}0.006, 0.014], p = 0.40."
    )


def test_the_pairs_with_the_best_model_come_first() -> None:
    tests = comparison(
        pair("gru seed 0", "dilated_conv seed 0", 0.01, 0.2), pair("blend seed 0", "gru seed 0", 0.01, 0.2)
    )
    first, _ = comparison_sentences(tests, "blend")
    assert first.startswith("The blend and the GRU")


def test_only_the_first_seeds_are_compared() -> None:
    tests = comparison(pair("gru seed 3", "oracle", -0.1, 0.001), pair("gru seed 4", "oracle", -0.2, 0.001))
    assert len(comparison_sentences(tests)) == 1


def test_an_ensemble_stands_for_its_model_in_comparisons() -> None:
    tests = comparison(
        pair("gru seed 0", "oracle", -0.1, 0.001),
        pair("gru ensemble", "oracle", -0.09, 0.001),
        pair("gru ensemble", "gru seed 0", 0.01, 0.01),
    )
    (text,) = comparison_sentences(tests)
    assert text.startswith("The oracle ranks better than the ensemble of the GRU")


def test_a_comparison_without_tests_says_why() -> None:
    tests = Comparison(sessions=9, buyers=0, reason="no buyers", pairs=[])
    assert comparison_sentences(tests) == ["The models cannot be compared: no buyers."]


def test_the_difference_to_the_oracle_has_its_sign_whichever_run_is_first() -> None:
    scores = {"oracle": metrics(0.85), "gru seed 0": metrics(0.84)}
    for test in (pair("oracle", "gru seed 0", 0.01, 0.01), pair("gru seed 0", "oracle", -0.01, 0.01)):
        row = headline(scores, comparison(test))[0]
        assert (row.model, row.to_oracle) == ("gru", -0.01)
        assert row.to_oracle_low == pytest.approx(-0.02)


def test_the_best_model_is_chosen_on_valid() -> None:
    scores = {
        "gru seed 0": metrics(0.80, valid_auc=0.9),
        "dilated_conv seed 0": metrics(0.85, valid_auc=0.8),
        "oracle": metrics(0.9, valid_auc=0.95),
    }
    top = best(headline(scores))
    assert top is not None
    assert top.model == "gru"


@pytest.mark.parametrize(
    ("scores", "pairs", "words"),
    [
        ({"gru seed 0": metrics(0.97)}, [], "suggests that the answer leaks"),
        ({"gru seed 0": metrics(0.8, buyers=12)}, [], "Only 12 buyers in 10,000 test sessions"),
        ({"gru seed 0": metrics(0.8, buyers=1)}, [], "Only 1 buyer in"),
        ({"gru seed 0": metrics(0.8, slope=0.5)}, [], "too extreme"),
        ({"gru seed 0": metrics(0.8, slope=1.5)}, [], "not extreme enough"),
        (
            {"gru seed 0": metrics(0.8), "gradient_boosting seed 0": metrics(0.81)},
            [],
            "No other model beats the baseline",
        ),
        (
            {"gru seed 0": metrics(0.87), "oracle": metrics(0.85)},
            [pair("gru seed 0", "oracle", 0.02, 0.001)],
            "better than possible",
        ),
        (
            {"gru seed 0": metrics(0.87), "oracle": metrics(0.85)},
            [pair("oracle", "gru seed 0", -0.02, 0.001)],
            "GRU, seed 0 ranks better than possible",
        ),
    ],
)
def test_the_reader_is_warned(scores: dict[str, Metrics], pairs: list[PairedTest], words: str) -> None:
    tests = comparison(*pairs)
    (text,) = warnings(headline(scores, tests), tests)
    assert words in text


def test_good_metrics_need_no_warning_and_none_need_a_reason() -> None:
    good = headline({"gru seed 0": metrics(0.8)})
    assert warnings(good, None) == []
    assert "3 visitors" in warnings(good, None, visitors_on_both_sides=3)[0]
    none = headline({"gru seed 0": metrics(None, buyers=0)})
    assert verdict("shop", none).startswith("On shop, there is no AUC: no buyers")
    assert "`split: {by: folds}`" in verdict("shop", none)
    assert "folds" not in verdict("shop", none, folds=5)


def test_with_few_buyers_the_interval_stands_in_the_first_sentence() -> None:
    few = headline({"gru seed 0": metrics(0.8, buyers=12)})
    first = verdict("shop", few).replace(GAP, " ").split("). ")[0]
    assert first.endswith("the AUC may lie anywhere from 0.790 to 0.810 (95 % interval")


def test_a_model_that_is_best_on_valid_but_not_on_test_is_named_with_the_reason() -> None:
    gru, trees = headline({"gru seed 0": metrics(0.8), "gradient_boosting seed 0": metrics(0.81)})
    assert "was chosen on" not in verdict("shop", [gru, trees])
    chosen = [replace(gru, valid_auc=0.9), replace(trees, valid_auc=0.7)]
    text = verdict("shop", chosen)
    assert "the best model is the GRU" in text
    assert "On the test sessions, gradient boosting has the highest AUC (0.810)" in text


def test_a_failing_leak_check_is_a_warning() -> None:
    checks = [
        LeakCheck(name="No purchase is in a window", holds=False, detail="3 are"),
        LeakCheck(name="Dwell times are right", holds=True, detail="none is not"),
    ]
    assert check_warnings(checks) == ["A leak check fails. No purchase is in a window: 3 are."]
