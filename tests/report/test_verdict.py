import pytest

from rabbithole.report.headline import rows
from rabbithole.report.verdict import tests_in_words as in_words
from rabbithole.report.verdict import verdict, warnings
from rabbithole.report.wording import chance, duration, listed, minute, share


def metrics(auc, *, buyers=500, slope=1.0):
    return {
        "sessions": 10_000,
        "buyers": buyers,
        "share": buyers / 10_000,
        "auc": auc and {"value": auc, "low": auc - 0.01, "high": auc + 0.01, "error": 0.005},
        "reason": None if auc else "no buyers in 10,000 sessions; at least 2 are needed",
        "average_precision": auc and 0.2,
        "log_loss": 0.18,
        "log_loss_constant": 0.2,
        "lift": [{"top": 0.05, "lift": 6.0, "reached": 0.3}],
        "valid": {"auc": None},
        "calibration": {"slope": {"value": slope, "low": slope - 0.02, "high": slope + 0.02}},
        "campaign": {},
    }


def pair(first, second, difference, p):
    return {
        "first": first,
        "second": second,
        "difference": difference,
        "low": difference - 0.01,
        "high": difference + 0.01,
        "p": p,
    }


def test_a_difference_is_told_from_the_better_side():
    pairs = [
        pair("gru seed 0", "dilated_conv seed 0", -0.021, 1e-9),
        pair("gru seed 0", "oracle", -0.004, 0.4),
    ]
    first, second = (
        line.replace("\N{NO-BREAK SPACE}", " ") for line in in_words({"reason": None, "pairs": pairs})
    )
    assert first == (
        "The dilated convolution ranks better than the GRU: AUC higher by 0.021 [0.011, 0.031], p < 0.0001."
    )
    assert second == (
        "The oracle and the GRU can't be told apart: difference 0.004 [\N{MINUS SIGN}0.006, 0.014], p = 0.40."
    )


def test_gap_to_the_oracle_has_its_sign_whichever_comes_first():
    scores = {"oracle": metrics(0.85), "gru seed 0": metrics(0.84)}
    for tested in (pair("oracle", "gru seed 0", 0.01, 0.01), pair("gru seed 0", "oracle", -0.01, 0.01)):
        row = rows(scores, {}, {"reason": None, "pairs": [tested]})[0]
        assert (row.model, row.to_oracle) == ("gru", -0.01)
        assert row.to_oracle_low == pytest.approx(-0.02)


@pytest.mark.parametrize(
    ("scores", "pairs", "words"),
    [
        ({"gru seed 0": metrics(0.97)}, [], "suspect that the answer leaks"),
        ({"gru seed 0": metrics(0.8, buyers=12)}, [], "Only 12 buyers"),
        ({"gru seed 0": metrics(0.8, slope=0.5)}, [], "too extreme"),
        (
            {"gru seed 0": metrics(0.8), "gradient_boosting seed 0": metrics(0.81)},
            [],
            "No network is ahead of the baseline",
        ),
        (
            {"gru seed 0": metrics(0.87), "oracle": metrics(0.85)},
            [pair("gru seed 0", "oracle", 0.02, 0.001)],
            "above the best possible",
        ),
    ],
)
def test_the_reader_is_warned(scores, pairs, words):
    comparison = {"reason": None, "pairs": pairs}
    found = warnings(rows(scores, {}, comparison), comparison)
    assert len(found) == 1
    assert words in found[0]


def test_nothing_to_warn_of_and_nothing_to_judge():
    good = rows({"gru seed 0": metrics(0.8)}, {}, None)
    assert warnings(good, None) == []
    assert "3 visitors" in warnings(good, None, visitors_on_both_sides=3)[0]
    none = rows({"gru seed 0": metrics(None, buyers=0)}, {}, None)
    assert verdict("shop", none, simulated=False, no_oracle="x").startswith(
        "On shop no AUC can be given: no buyers"
    )


def test_wording():
    gap = "\N{NO-BREAK SPACE}"
    assert [share(x) for x in (0.00812, 0.0551, 0.842, 0.9996, 1.0, 0.00001)] == [
        f"{text}{gap}%" for text in ("0.81", "5.5", "84", "99.96", "100", "under 0.01")
    ]
    assert [duration(x) for x in (0.42, 25, 200, 7500)] == ["0.4 s", "25 s", "3 min 20 s", "2 h 05 min"]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert chance(0.00055) == f"p{gap}={gap}0.00055"
    assert minute("2014-04-07T10:51:09.277+00:00") == "7 April 2014, 10:51 UTC"
