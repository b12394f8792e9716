"""Settings of a table that would mean something else than they say are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from rabbithole.specs.table import TableSpec
from rabbithole.specs.table_columns import EventColumn

TABLE = {"session": "s", "time": "t", "event": {"column": "e", "words": {"buy": "transaction"}}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": {"column": "e", "words": {"buy": "purchase"}}}, "write 'transaction'"),
        ({"event": {"column": "e", "words": {"cart": "add_to_cart"}}}, "write 'addtocart'"),
        ({"event": "View"}, "write 'view'"),
        ({"event": {"column": "e", "words": {"": "view"}}}, "`empty` says what its line is"),
        ({"event": {"name": "view", "empty": "view"}}, "empty needs `column`"),
        ({"event": {"name": "buy", "words": {"buy": "transaction"}}}, "words needs `column`"),
        ({"event": {"column": "e", "leave_out": ["transaction"]}}, "nobody buys"),
        ({"time": {"column": "t", "unit": "%Y-%m-%d %H:%M %p"}}, "%I, the hour of a clock with AM and PM"),
        ({"time": {"column": "t", "unit": "%Y-%m-%d %I:%M"}}, "%I, the hour of a clock with AM and PM"),
        ({"header": ["t", "s", "e", "e"]}, "'e' names two columns"),
        ({"kind": "json", "skip_lines": 2}, "left out of CSV alone"),
    ],
)
def test_settings_without_the_meaning_that_they_seem_to_have_are_refused(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        TableSpec.model_validate(TABLE | changes)


def test_a_star_in_a_word_stands_for_any_text() -> None:
    words = {"/cart/*": "addtocart", "/cart/help": "help", "/*": "page", "1,*": "transaction"}
    event = EventColumn(column=["e"], words=words, leave_out=["/ping*"])
    kinds = {"/cart/7": "addtocart", "/cart/help": "help", "/a": "page", "1,100": "transaction", "12": "12"}
    assert {word: event.kind_of(word) for word in kinds} == kinds
    assert event.leaves_out("/ping?1") and not event.leaves_out("/cart/ping")


def test_settings_with_their_plain_meaning_are_taken() -> None:
    event = {"column": "e", "words": {"paid": "transaction"}, "leave_out": ["transaction"]}
    for changes in (
        {"event": event},
        {"header": ["t", "s", "e", "", ""]},
        {"time": {"column": "t", "unit": "%m/%d/%Y %I:%M %p"}},
    ):
        TableSpec.model_validate(TABLE | changes)
