"""From a raw log to windows: every line is accounted for, and one visitor may fill much of the log."""

import random
from pathlib import Path

import factories
import numpy as np
import pyarrow.parquet as pq
import pytest
from factories import BEGIN, Row

from rabbithole.artifacts.data import (
    EncoderFile,
    EventsManifest,
    LineCounts,
    SessionEventCounts,
    SessionsManifest,
    WindowEventCounts,
    WindowsManifest,
)
from rabbithole.specs.data import SparkOptions
from rabbithole.windows.fields import FIRST_VALUE

pytestmark = pytest.mark.spark

HEADER = "timestamp,visitorid,event,itemid,transactionid\n"
BEGIN_MILLISECONDS = round(BEGIN.timestamp() * 1000)


def build(
    folder: Path, format: str, files: dict[str, str], spark: SparkOptions, *, length: int
) -> tuple[EventsManifest, SessionsManifest, WindowsManifest]:
    """Take a log through the three steps; return the manifests of events, sessions and windows."""
    raw = folder / "raw"
    raw.mkdir()
    for name, text in files.items():
        (raw / name).write_bytes(text.encode())
    factories.build(
        folder,
        spark,
        events=factories.events_spec(format, raw, max_rejected=0.5),
        sessions=factories.sessions_spec(by="session" if format == "yoochoose" else "visitor"),
        windows=factories.windows_spec(length=length),
    )
    return (
        EventsManifest.of(folder / "events"),
        SessionsManifest.of(folder / "sessions"),
        WindowsManifest.of(folder / "windows"),
    )


def visit(visitor: int, minute: float, kind: str = "view", item: int = 5) -> str:
    """Return a line of Retailrocket's events."""
    milliseconds = BEGIN_MILLISECONDS + round(minute * 60_000)
    return f"{milliseconds},{visitor},{kind},{item},{'1' * (kind == 'transaction')}\n"


def test_every_line_is_accounted_for(tmp_path: Path, spark: SparkOptions) -> None:
    """A header, 2 blank lines, 3 bad ones, 2 repeats and 15 events give 7 steps of windows."""
    log = [
        HEADER,
        *(visit(1, minute) for minute in (0, 1, 2, 3, 4)),  # two before the last three steps
        "\n",
        visit(1, 2) * 2,  # repeats
        *(visit(2, 10), visit(2, 11, "transaction"), visit(2, 12)),  # two cut
        *(visit(3, 20, "transaction"), visit(3, 21)),  # dropped: nothing before its purchase
        visit(4, 600),
        visit(4, 601, "buy"),  # bad
        "4102444800000,4,view,5,\n",  # bad: 2100 would be the end of the log, and no session open
        "\r\n",
        *(visit(5, 1200), visit(7, 1500)),
        *(visit(6, 1800), visit(6, 1801)),  # still open
        visit(6, 1802)[:20],  # bad: cut mid-way
    ]
    events, sessions, windows = build(tmp_path, "retailrocket", {"events.csv": "".join(log)}, spark, length=3)
    lines = {"header": 1, "blank": 2, "rejected": 3, "duplicates": 2, "kept": 15}
    assert events.lines == LineCounts(lines=23, **lines)
    assert sum(lines.values()) == 23
    assert sessions.events == SessionEventCounts(total=15, kept=11, cut=2, dropped=2)
    assert windows.events == WindowEventCounts(total=11, kept=7, open=2, beyond=2)
    steps = [len(row["event"]) for row in pq.read_table(tmp_path / "windows" / "train").to_pylist()]
    assert sorted(steps) == [1, 1, 3]
    assert (sessions.dropped, windows.open, windows.rows) == (1, 1, 5)


def window_of(folder: Path, session: str) -> tuple[Row, list[str], list[float]]:
    """Return the train window of a session, its items, and its dwell times in seconds."""
    encoder = EncoderFile.read(folder / "encoder.json")
    rows = pq.read_table(folder / "train").to_pylist()
    (row,) = [row for row in rows if row["session_id"] == session]
    names, dwell = encoder.vocabularies["item"], encoder.numeric["dwell"]
    seconds = np.expm1(np.array(row["dwell"]) * dwell.deviation + dwell.mean)
    return row, [str(names[code - FIRST_VALUE]) for code in row["item"]], seconds.tolist()


def test_one_visitor_may_have_100_000_events(tmp_path: Path, spark: SparkOptions) -> None:
    """Event n comes n % 10 + 1 seconds after the previous one, 550,000 s in all; others come once a day."""
    minutes = np.cumsum(np.arange(100_000) % 10 + 1) / 60
    lines = [visit(1, minute, item=n) for n, minute in enumerate(minutes.tolist())]
    lines += [visit(2 + day, 1440 * day, item=0) for day in range(1, 9)]
    random.Random(1).shuffle(lines)
    files = {"events.csv": HEADER + "".join(lines)}
    _, sessions, windows = build(tmp_path, "retailrocket", files, spark, length=100)
    assert sessions.events == SessionEventCounts(total=100_008, kept=100_008, cut=0, dropped=0)
    assert (sessions.sessions, sessions.lengths.longest) == (9, 100_000)
    # The visitor of the eighth day comes at the end of the log and is open.
    assert windows.events == WindowEventCounts(total=100_008, kept=107, open=1, beyond=99_900)
    row, items, seconds = window_of(tmp_path / "windows", "1")
    assert (row["events"], row["buyer"]) == (100_000, False)
    assert items == [str(n) for n in range(99_900, 100_000)]
    assert seconds == pytest.approx([n % 10 + 1 for n in range(99_900, 100_000)], rel=1e-4)


def test_one_session_may_have_5_percent_of_all_lines(tmp_path: Path, spark: SparkOptions) -> None:
    """Session 0 clicks every 10 s, 1,500 times before it buys. Every minute another one begins, of 4 clicks.

    The last of these 9,500 sessions ends the log. In the half hour before, both ends included, 31 ended.
    """

    def line(session: int, second: int, *fields: int) -> str:
        time = np.datetime64(BEGIN_MILLISECONDS + 1000 * second, "ms")
        return ",".join([str(session), f"{time}Z", *map(str, fields)]) + "\n"

    clicks = [line(0, 10 * n, n, 0) for n in range(2000) if n != 1500]
    clicks += [line(k, 60 * k + 10 * n, 7, 0) for k in range(1, 9501) for n in range(4)]
    random.Random(1).shuffle(clicks)
    files = {
        "yoochoose-clicks.dat": "".join(clicks),
        "yoochoose-buys.dat": line(0, 15_000, 1499, 523, 1),
    }
    events, sessions, windows = build(tmp_path, "yoochoose", files, spark, length=100)
    assert (events.rows, events.sessions) == (40_000, 9501)
    assert sessions.events == SessionEventCounts(total=40_000, kept=39_500, cut=500, dropped=0)
    assert windows.events == WindowEventCounts(total=39_500, kept=37_976, open=124, beyond=1400)
    row, items, seconds = window_of(tmp_path / "windows", "0")
    assert (row["events"], row["buyer"]) == (1500, True)
    assert items == [str(n) for n in range(1400, 1500)]
    assert seconds == pytest.approx([10] * 100, rel=1e-4)
