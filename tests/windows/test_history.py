"""Windows with history: the steps of earlier sessions lead, and only the others count as the session's."""

from pathlib import Path

import factories
import pyarrow as pa
import pyarrow.parquet as pq
from factories import BY_HASH, EVENT_SCHEMA, NO_FIELDS, event, windows_spec

from rabbithole.io.parts import data_files
from rabbithole.sessions.session_task import SessionPlan, make_sessions
from rabbithole.windows.arrays import read_windows
from rabbithole.windows.build import WindowTask, WindowTaskCounts
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
    encoder = fit_encoder(counts, of_windows, fields, {})
    for name in ("train", "valid", "test", "valid_prefixes", "test_prefixes"):
        (folder / name).mkdir()
    task = WindowTask([folder / "sessions.parquet"], folder, encoder, keep_open=False, history=True)
    encoder.save(folder)
    return WindowTaskCounts.total_of_reports(pa.Table.from_batches(task(0)))


def test_history_fills_what_the_session_leaves_of_its_window(tmp_path: Path) -> None:
    counts = windows_folder(tmp_path, length=4)
    rows = pq.read_table(tmp_path / "test").sort_by("session_id").to_pylist()
    assert [(row["history"], len(row["item"]), row["events"]) for row in rows] == [
        (0, 2, 2),
        (2, 4, 2),
        (1, 4, 3),
    ]
    # The first visit has no event before it; the others show the pause since the visit before.
    assert [row["dwell"][row["history"]] is None for row in rows] == [True, False, False]
    assert rows[1]["dwell"][2] > rows[1]["dwell"][3] and rows[2]["dwell"][1] > rows[1]["dwell"][2]
    ago = [row["sessions_ago"] for row in rows]
    assert ago[1][0] == ago[2][0] != ago[1][2] == ago[2][1] == ago[0][0]
    test = counts.splits["test"]
    assert (test.steps, test.history, test.with_history) == (10, 3, 2)
    assert counts.events.kept == counts.events.total == 7


def test_a_session_longer_than_its_window_shows_no_history(tmp_path: Path) -> None:
    counts = windows_folder(tmp_path, length=2)
    windows = read_windows(data_files(tmp_path / "test"), Encoder.load(tmp_path).fitted.fields)
    assert (windows.history.tolist(), windows.present.tolist()) == ([0, 0, 0], [2, 2, 2])
    (prefix,) = pq.read_table(tmp_path / "test_prefixes").to_pylist()
    last = pq.read_table(tmp_path / "test").sort_by("session_id").to_pylist()[-1]
    # The session's own first two of three views, not those of the visit before.
    assert (prefix["history"], prefix["item"][1]) == (0, last["item"][0])
    assert (counts.events.kept, counts.events.beyond) == (6, 1)
