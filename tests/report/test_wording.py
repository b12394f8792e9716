"""Numbers and times as text."""

import pytest

from rabbithole.report.wording import (
    GAP,
    MINUS,
    chance,
    decimals,
    duration,
    listed,
    minute,
    plural,
    share,
    signed,
    with_code,
)


def test_shares_have_two_or_three_significant_digits() -> None:
    assert [share(value) for value in (0.00812, 0.0551, 0.842, 0.9996, 1.0, 0.00001)] == [
        f"{text}{GAP}%" for text in ("0.81", "5.5", "84", "99.96", "100", "under 0.01")
    ]


def test_durations_times_lists_and_p_values_are_written_as_in_a_sentence() -> None:
    assert [duration(value) for value in (0.42, 25, 200, 7500)] == [
        "0.4 s",
        "25 s",
        "3 min 20 s",
        "2 h 05 min",
    ]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert chance(0.00055) == f"p{GAP}={GAP}0.00055"
    assert minute("2014-04-07T10:51:09.277+00:00") == "7 April 2014, 10:51 UTC"
    # A rounded zero has no minus sign.
    assert decimals(-0.0004, 3) == "0.000"
    assert (decimals(-0.125), signed(0.1234), signed(-0.00041, 4)) == (
        f"{MINUS}0.12",
        "+0.123",
        f"{MINUS}0.0004",
    )


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 sessions"), (1, "1 session"), (2, "2 sessions"), (1234, "1,234 sessions")]
)
def test_a_noun_agrees_with_its_count(count: int, text: str) -> None:
    assert plural(count, "session") == text


def test_an_irregular_plural_is_used_for_all_counts_but_one() -> None:
    assert [plural(count, "category", "categories") for count in (1, 3)] == ["1 category", "3 categories"]


def test_no_count_is_written_as_the_reader_says_it() -> None:
    assert plural(0, "buyer", zero="no") == "no buyers"
    assert plural(1, "buyer", zero="no") == "1 buyer"


def test_what_stands_between_backticks_is_code_and_everything_is_escaped() -> None:
    assert with_code("Set `split: {by: folds}`.") == "Set <code>split: {by: folds}</code>."
    assert with_code("`<b>`") == "<code>&lt;b&gt;</code>"
    assert with_code("one ` alone, <b>") == "one ` alone, &lt;b&gt;"
