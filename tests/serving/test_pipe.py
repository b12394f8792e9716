"""The pipe of `rabbithole stream` answers each line once, however long it is."""

import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rabbithole.serving import pipe
from rabbithole.serving.stream import Refusal


class Echo:
    """Answers each line with its end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, Any] = {}

    def process(self, lines: Sequence[bytes]) -> list[Refusal]:
        return [Refusal(error=line[-5:].decode()) for line in lines]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_megabytes_is_one_line(end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = b"a" * (3 * pipe.MAX_LINE_BYTES) + b'{"is": "no event"}'
    events, answers = tmp_path / "events", tmp_path / "answers"
    events.write_bytes(b"first\n" + long + b"\n\nnext1\nnext2\n" + long + end)
    monkeypatch.setattr(pipe, "spare_old_objects", lambda: None)
    with events.open("rb") as source, answers.open("wb") as sink:
        monkeypatch.setattr("sys.stdin", source)
        monkeypatch.setattr("sys.stdout", sink)
        pipe.pipe(Echo())  # type: ignore[arg-type]
    wanted = ["first", "aaaaa", "next1", "next2", "aaaaa"]
    assert answers.read_text().splitlines() == [f'{{"error":"{text}"}}' for text in wanted]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stream_that_is_stopped_says_what_came_in(
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stopped(Echo):
        def process(self, lines: Sequence[bytes]) -> list[Refusal]:
            self.counts["events"] += len(lines)
            signal.raise_signal(number)
            return []

    (tmp_path / "events").write_bytes(b"first\nnext1\n")
    monkeypatch.setattr(pipe, "spare_old_objects", lambda: None)
    # Tests that run in the background of a shell ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with (tmp_path / "events").open("rb") as source, (tmp_path / "answers").open("wb") as sink:
        monkeypatch.setattr("sys.stdin", source)
        monkeypatch.setattr("sys.stdout", sink)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            pipe.pipe(Stopped())  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "2 events; 0 sessions held\n"
