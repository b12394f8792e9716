"""Windows with history: the steps of earlier sessions lead, and only the others count as the session's."""

from pathlib import Path

import factories
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import BY_HASH, EVENT_SCHEMA, NO_FIELDS, event, filler_events, windows_spec

from rabbithole.sessions.session_task import SessionPlan, make_sessions
from rabbithole.specs.data import SparkOptions
from rabbithole.windows.arrays import read_windows
from rabbithole.windows.build import FOLDERS, PREFIX_FOLDERS, WindowTask, WindowTaskCounts
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fitting import count_values, fit_encoder, selected_fields

MINUTES = [0, 0.5, 10, 11, 30, 30.5, 30.75]
"""Three visits of one visitor, of two, two and three views."""


def windows_folder(folder: Path, *, length: int) -> WindowTaskCounts:
    """Write the windows of the three visits; return their counts."""
    spec = factories.sessions_spec(gap_minutes=1.0, split=BY_HASH, history=length)
    rows = [event("a", minute, item=str(place)) | {"position": place} for place, minute in enumerate(MINUTES)]
    plan = SessionPlan(spec, open_from=2**62, further=NO_FIELDS)
    sessions, _ = make_sessions(pa.Table.from_pylist(rows, EVENT_SCHEMA), plan)
    sessions = sessions.set_column(4, "split", pa.array(["test"] * len(sessions)))
    pq.write_table(sessions, folder / "sessions.parquet")
    of_windows = windows_spec(length=length)
    fields = selected_fields(of_windows, plan.fields)
    counts = pa.Table.from_batches(count_values(sessions, of_windows, fields))
    encoder = fit_encoder(counts, of_windows, fields, {}, history=length)
    for name in ("train", "valid", "test", "valid_prefixes", "test_prefixes"):
        (folder / name).mkdir()
    task = WindowTask([folder / "sessions.parquet"], folder, encoder, keep_open=False, history=True)
    encoder.save(folder)
    return WindowTaskCounts.total_of_reports(pa.Table.from_batches(task(0)))


def test_a_window_holds_the_history_and_then_the_session(tmp_path: Path) -> None:
    counts = windows_folder(tmp_path, length=4)
    rows = pq.read_table(tmp_path / "test").sort_by("session_id").to_pylist()
    assert [(row["history"], len(row["item"]), row["events"]) for row in rows] == [
        (0, 2, 2),
        (2, 4, 2),
        (4, 7, 3),
    ]
    # The first visit has no event before it; the others show the pause since the visit before.
    assert [row["dwell"][row["history"]] is None for row in rows] == [True, False, False]
    assert rows[1]["dwell"][2] > rows[1]["dwell"][3] and rows[2]["dwell"][4] > rows[1]["dwell"][2]
    ago = [row["sessions_ago"] for row in rows]
    assert ago[1][0] == ago[2][2] != ago[1][2] == ago[2][4] == ago[0][0] != ago[2][0]
    test = counts.splits["test"]
    assert (test.steps, test.history, test.with_history) == (13, 6, 2)
    assert counts.events.kept == counts.events.total == 7


def test_a_session_longer_than_its_window_keeps_its_history(tmp_path: Path) -> None:
    counts = windows_folder(tmp_path, length=2)
    windows = read_windows(sorted((tmp_path / "test").iterdir()), Encoder.load(tmp_path).fitted.fields)
    assert (windows.history.tolist(), windows.present.tolist()) == ([0, 2, 2], [2, 2, 2])
    (prefix,) = pq.read_table(tmp_path / "test_prefixes").to_pylist()
    last = pq.read_table(tmp_path / "test").sort_by("session_id").to_pylist()[-1]
    # The same history, then the session's own first two of three views, or its last two.
    assert prefix["item"][:2] == last["item"][:2]
    assert (prefix["history"], prefix["item"][3]) == (2, last["item"][2])
    assert (counts.events.kept, counts.events.beyond) == (6, 1)


LENGTH, EVENTS = 4, 7
"""Own steps of a window; events of a whole session."""


@pytest.mark.spark
def test_neither_history_nor_first_steps_reveal_how_long_a_session_lasts(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """Visitors with the same past begin the same session, which ends, or is bought in, after k events."""
    log = []
    for visitor in range(4 * EVENTS):
        name, last = f"{visitor:02}", 1 + visitor % EVENTS
        past = [
            event(name, 10 * visit + place, item=f"{visit}{place}") for visit in range(3) for place in (0, 1)
        ]
        own = [event(name, 100 + place, item=str(place)) for place in range(last)]
        bought = [event(name, 100 + last, "transaction")] if visitor >= 2 * EVENTS else []
        log += [*past, *own, *bought]
    factories.build_sessions(
        tmp_path, [*log, *filler_events(90)], spark, gap_minutes=5.0, split=BY_HASH, history=LENGTH
    )
    factories.build(tmp_path, spark, windows=windows_spec(length=LENGTH))
    folder = tmp_path / "windows"
    fields = Encoder.load(folder).fitted.fields.names
    shown: dict[str, tuple[int, int, list[tuple[float, ...]]]] = {}
    from_start: list[str] = []
    # Long sessions of valid and test are read from their beginning.
    for name in FOLDERS:
        for row in pq.read_table(folder / name).to_pylist():
            steps = list(zip(*(row[field] for field in fields), strict=True))
            shown[row["session_id"]] = (row["history"], row["events"], steps)
            if name in PREFIX_FOLDERS.values():
                from_start.append(row["session_id"])
    shown = {name: windows for name, windows in shown.items() if name.endswith("-3")}
    _, _, whole = shown[from_start[0]]
    assert len(whole) == 2 * LENGTH
    assert sorted(events for _, events, _ in shown.values()) == sorted(4 * list(range(1, EVENTS + 1)))
    for history, events, steps in shown.values():
        assert history == LENGTH and steps[:LENGTH] == whole[:LENGTH]
        if events <= LENGTH:
            assert steps == whole[: LENGTH + events]
