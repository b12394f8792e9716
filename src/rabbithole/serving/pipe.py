"""A stream of events on the standard input, answered line by line on the standard output."""

import os
import sys

from rabbithole.counts import plural
from rabbithole.serving.collector import spare_old_objects
from rabbithole.serving.stream import SessionStream, json_lines

READ_BYTES = 2**16
MAX_LINE_BYTES = 2**20
"""A longer line is no event. It is refused as soon as it is longer and its rest is skipped, so that it cannot
fill the memory."""


def pipe(stream: SessionStream) -> None:
    """Answer events until the input ends; then say on the standard error what came in.

    Whatever has arrived is answered at once: alone when events are rare, many together when they are not.
    """
    spare_old_objects()
    rest, skipping = b"", False
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    while chunk := os.read(source, READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if skipping:
            lines, rest, skipping = lines[1:], rest if lines else b"", not lines
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            rest, skipping = b"", True
        _write(sink, stream, lines)
    _write(sink, stream, [rest])
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(stream.counts.items()))
    print(f"{counts or 'no events'}; {plural(len(stream.sessions), 'session')} held", file=sys.stderr)


def _write(sink: int, stream: SessionStream, lines: list[bytes]) -> None:
    filled = [line for line in lines if line.strip()]
    answers = memoryview(json_lines(stream.process(filled)))
    while answers:
        answers = answers[os.write(sink, answers) :]
