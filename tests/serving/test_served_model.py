"""A model that is exchanged again and again keeps the sessions of its former ones."""

from pathlib import Path
from typing import Any

import pytest

from rabbithole.errors import UserError
from rabbithole.serving.guard import Limits
from rabbithole.serving.server import MAX_FORMER, ServedModel
from rabbithole.serving.terminal import named_models


class Stream:
    """Stands for the stream of a model. It answers with its name, and holds the sessions that it was sent."""

    def __init__(self, name: str) -> None:
        self.name, self.now, self.sessions = name, 0, set[str]()

    def process(self, lines: list[bytes]) -> list[str]:
        """Return the name for each line."""
        self.sessions |= {line.decode() for line in lines}
        return [self.name] * len(lines)

    def key_of_line(self, line: bytes) -> str:
        """Return the line: it names its session."""
        return line.decode()

    def take_over(self, _former: "Stream") -> None:
        """Have no history to go on with."""

    def advance_clock(self, _now: int) -> None:
        """Have no clock."""


class Served(ServedModel):
    """A model under a name, without a folder."""

    def _load(self) -> Any:
        return Stream("first")

    def _stamp(self) -> tuple[int, int]:
        return 0, 0

    def answers(self, *sessions: str) -> list[Any]:
        """Return which model answers the next event of each session."""
        return list(self._process([session.encode() for session in sessions]))

    def exchange(self, name: str) -> None:
        """Take over a new model."""
        new: Any = Stream(name)
        self._take_over(new)


def test_a_session_stays_with_its_model_when_that_is_exchanged_twice() -> None:
    served = Served("shop", Path(), Limits(body_bytes=1, requests_per_second=None, sessions=1))
    assert served.answers("a") == ["first"]
    served.exchange("second")
    assert served.answers("b", "a") == ["second", "first"]
    served.exchange("third")
    assert served.answers("c", "a", "b", "c") == ["third", "first", "second", "third"]
    served.former[0].sessions.clear()
    served.answers("c")
    assert [former.name for former in served.former] == ["second"]
    for number in range(MAX_FORMER + 2):
        served.exchange(f"model {number}")
        served.answers(f"session {number}")
    assert len(served.former) == MAX_FORMER
    assert served.answers("session 2", "b")[0] == "model 2"


@pytest.mark.parametrize("name", ["", "a/b", ".", "a b", "a\x1b"])
def test_a_name_that_no_address_can_hold_is_refused(name: str) -> None:
    """The server would start, and no client could reach the model."""
    with pytest.raises(UserError, match="can't be the name of a model"):
        named_models([f"{name}=model"])
    assert named_models(["shop-2=a=b/model"]) == {"shop-2": Path("a=b/model")}
