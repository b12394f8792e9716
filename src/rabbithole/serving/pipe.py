"""A stream of events on the standard input, answered line by line on the standard output."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rabbithole.counts import plural
from rabbithole.serving.stream import MAX_LINE_BYTES, SessionStream, json_lines, spare_old_objects

READ_BYTES = 2**16


def pipe(stream: SessionStream) -> None:
    """Answer events until the input ends or the process is stopped; then print what came in.

    The counts go to the standard error. Whatever has arrived is answered at once: alone when events are rare,
    many together when they are not.
    """
    spare_old_objects()
    with _stopped_by_signal():
        try:
            _answer_all(stream)
        finally:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(stream.counts.items()))
            held = plural(len(stream.sessions), "session")
            print(f"{counts or 'no events'}; {held} held", file=sys.stderr)


@contextmanager
def _stopped_by_signal() -> Iterator[None]:
    """Let SIGTERM end the process as Ctrl-C does, so that the counts are still printed."""

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _answer_all(stream: SessionStream) -> None:
    """Answer the lines of the standard input, each as soon as it is there."""
    rest, skipping = b"", False
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    while chunk := os.read(source, READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if skipping:
            lines, rest, skipping = lines[1:], rest if lines else b"", not lines
        if len(rest) > MAX_LINE_BYTES:
            # Refused now, and its rest skipped, so that it cannot fill the memory.
            lines.append(rest)
            rest, skipping = b"", True
        _write(sink, stream, lines)
    _write(sink, stream, [rest])


def _write(sink: int, stream: SessionStream, lines: list[bytes]) -> None:
    filled = [line for line in lines if line.strip()]
    answers = memoryview(json_lines(stream.process(filled)))
    while answers:
        answers = answers[os.write(sink, answers) :]
