"""Events of `stream` and `serve` mean what they mean in a log."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.live_encoder import LiveEvent
from rabbithole.serving.server import SessionBody
from rabbithole.specs.table_columns import EventColumn


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("item", 13085.0, "13085"),
        ("item", "", None),
        ("session_id", "", None),
        ("event", "", "view"),
        ("event", None, "view"),
        ("cost", "", None),
        ("cost", -5, None),
        ("cost", float("nan"), None),
    ],
)
def test_values_are_read_as_in_a_log(key: str, value: Any, expected: object) -> None:
    event = LiveEvent.model_validate_json(json.dumps({"timestamp": "2025-04-01T10:00:00Z", key: value}))
    assert getattr(event, key) == expected


@pytest.mark.parametrize("cost", [2e9, float("inf")])
def test_a_price_that_sets_a_line_of_a_log_aside_is_refused(cost: float) -> None:
    with pytest.raises(ValidationError, match="the price is over 1,000,000,000"):
        LiveEvent.model_validate_json(json.dumps({"timestamp": "2025-04-01T10:00:00Z", "cost": cost}))


def test_a_misspelt_key_beside_the_events_of_a_session_is_refused() -> None:
    """Passed over, it would score an ended session as one that runs."""
    body = {"events": [{"timestamp": "2025-04-01T10:00:00Z"}], "ended": True}
    assert SessionBody.model_validate(body).ended
    with pytest.raises(ValidationError, match="endet"):
        SessionBody.model_validate({**body, "endet": True})


def test_a_word_that_the_model_knows_is_not_left_out() -> None:
    """It stands for another word of the log, such as `product` here for `view`."""
    event = EventColumn(column=["e"], words={"product": "view"}, leave_out=["view", "t*", "ping"])
    tables = SimpleNamespace(tables={"events": SimpleNamespace(event=event)})
    manifest = SimpleNamespace(events=SimpleNamespace(table=tables))
    encoder = SimpleNamespace(fitted=SimpleNamespace(vocabularies={"event": ["view"]}, rare={"event": []}))
    folder = ModelFolder(Path(), cast(Any, manifest), cast(Any, encoder))
    words = ("view", "transaction", "ping", "timeout", "search")
    assert [word for word in words if folder.leaves_out(word)] == ["ping", "timeout"]
