"""Events of `stream` and `serve` mean what they mean in a log."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.live_encoder import LiveEvent
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
        ("cost", float("inf"), None),
    ],
)
def test_values_are_read_as_in_a_log(key: str, value: Any, expected: object) -> None:
    event = LiveEvent.model_validate_json(json.dumps({"timestamp": "2025-04-01T10:00:00Z", key: value}))
    assert getattr(event, key) == expected


def test_a_word_that_the_model_knows_is_not_left_out() -> None:
    """It stands for another word of the log, such as `product` here for `view`."""
    event = EventColumn(column=["e"], words={"product": "view"}, leave_out=["view", "t*", "ping"])
    tables = SimpleNamespace(tables={"events": SimpleNamespace(event=event)})
    manifest = SimpleNamespace(events=SimpleNamespace(table=tables))
    encoder = SimpleNamespace(fitted=SimpleNamespace(vocabularies={"event": ["view"]}, rare={"event": []}))
    folder = ModelFolder(Path(), cast(Any, manifest), cast(Any, encoder))
    words = ("view", "transaction", "ping", "timeout", "search")
    assert [word for word in words if folder.leaves_out(word)] == ["ping", "timeout"]
