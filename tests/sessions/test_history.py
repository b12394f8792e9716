"""History: the events of a visitor's earlier sessions, in front of a session's own."""

from pathlib import Path
from typing import Any

import factories
import pyarrow as pa
import pytest
from factories import BY_HASH, NO_FIELDS, Row, event, write_events
from hypothesis import given
from hypothesis import strategies as st
from sessions.test_cut_properties import logs, table

from rabbithole.errors import UserError
from rabbithole.io.parts import manifest_path
from rabbithole.sessions import event_tables
from rabbithole.sessions.build import build_sessions
from rabbithole.sessions.event_tables import read_events
from rabbithole.sessions.histories import with_history_key
from rabbithole.sessions.session_task import SessionPlan, make_sessions
from rabbithole.specs.data import SparkOptions

LIMIT = 4


def sessions_of(log: list[Row], *, history: int, until: str = "purchase") -> list[Row]:
    """Return the sessions of a log, cut by a gap of one minute."""
    spec = factories.sessions_spec(gap_minutes=1.0, split=BY_HASH, history=history, until=until)
    rows: list[Row] = make_sessions(table(log), SessionPlan(spec, 0, NO_FIELDS))[0].to_pylist()
    return rows


@given(logs, st.sampled_from(["purchase", "first_cart"]))
def test_history_is_the_last_events_of_the_visitor_before_the_session(log: list[Row], until: str) -> None:
    events = table(log).to_pylist()
    for row in sessions_of(log, history=LIMIT, until=until):
        earlier = [
            each
            for each in events
            if each["session_id"] == row["visitor"] and each["timestamp"] < row["start"]
        ][-LIMIT:]
        count = row["history"]
        for column in ("timestamp", "event", "item"):
            assert row[column][:count] == [each[column] for each in earlier]
        # The session before ended more than the gap earlier.
        assert all((row["start"] - each["timestamp"]).total_seconds() > 60 for each in earlier)
        assert all(ago != "0" for ago in row["sessions_ago"][:count])
        assert set(row["sessions_ago"][count:]) == {"0"}


@given(logs, st.sampled_from(["purchase", "first_cart"]))
def test_history_changes_nothing_of_the_session_itself(log: list[Row], until: str) -> None:
    without = sessions_of(log, history=0, until=until)
    for row, expected in zip(sessions_of(log, history=LIMIT, until=until), without, strict=True):
        count = row.pop("history")
        del row["sessions_ago"]
        assert {
            name: value[count:] if isinstance(value, list) else value for name, value in row.items()
        } == expected


def test_an_earlier_purchase_and_how_long_ago_it_was_are_in_the_history() -> None:
    visits = [event("a", 10 * visit + minute, kind) for visit in range(12) for minute, kind in VISIT]
    last = sessions_of(visits, history=100)[-1]
    assert last["event"] == ["view", "transaction", "view"] * 11 + ["view"]
    assert last["buyer"] and last["events"] == 1 and last["history"] == 33
    agos = ["9+"] * 9 + [str(ago) for ago in range(8, 0, -1) for _ in range(3)] + ["0"]
    assert last["sessions_ago"] == agos


VISIT = ((0, "view"), (0.5, "transaction"), (1, "view"))


own_events = st.builds(
    lambda visitor, *values: event(*values) | {"visitor": visitor},
    st.sampled_from(["v", "w", None]),
    st.sampled_from("abcdef"),
    st.integers(0, 12),
    st.sampled_from(["view", "view", "addtocart", "transaction"]),
)


@given(st.lists(own_events, min_size=1, max_size=40))
def test_a_log_s_own_sessions_have_the_history_of_the_visitor_who_began_them(log: list[Row]) -> None:
    """Sessions may overlap: what counts is what had happened before one began."""
    events = table(log)
    spec = factories.sessions_spec(by="session", split=BY_HASH, history=LIMIT)
    made = make_sessions(with_history_key(events), SessionPlan(spec, 0, NO_FIELDS))[0].to_pylist()
    without = factories.sessions_spec(by="session", split=BY_HASH)
    expected = make_sessions(events, SessionPlan(without, 0, NO_FIELDS))[0].to_pylist()
    assert [row["session_id"] for row in made] == [row["session_id"] for row in expected]
    visitors: dict[str, str | None] = {}
    begins: dict[str, Any] = {}
    for each in events.to_pylist():
        visitors.setdefault(each["session_id"], each["visitor"])
        begins.setdefault(each["session_id"], (each["timestamp"], each["position"]))
    in_time = sorted(events.to_pylist(), key=lambda each: (each["timestamp"], each["position"]))
    for row, plain in zip(made, expected, strict=True):
        name, count = row["session_id"], row["history"]
        visitor = visitors[name]
        earlier = [
            each
            for each in in_time
            if visitor and visitors[each["session_id"]] == visitor and each["timestamp"] < row["start"]
        ][-LIMIT:]
        for column in ("timestamp", "event", "item"):
            assert row[column] == [each[column] for each in earlier] + plain[column]
        ranked = sorted((begins[other], other) for other in visitors if visitors[other] == visitor)
        ranks = {other: rank for rank, (_, other) in enumerate(ranked)}
        agos = [str(ranks[name] - ranks[each["session_id"]]) for each in earlier]
        assert row["sessions_ago"] == agos + ["0"] * (len(row["event"]) - count)
        assert count == len(earlier)


@pytest.mark.parametrize("changes", [{"gap_minutes": None, "by": "visitor"}, {"cost": "purchases"}])
def test_a_history_that_the_sessions_cannot_have_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    (tmp_path / "events").mkdir()
    factories.events_manifest().write(manifest_path(tmp_path / "events"))
    spec = factories.sessions_spec(**{"gap_minutes": 1.0, "history": LIMIT} | changes)
    with pytest.raises(UserError, match="History across sessions needs"):
        build_sessions(
            spec,
            events=tmp_path / "events",
            output=tmp_path / "sessions",
            spark=SparkOptions.model_construct(),
            purpose=factories.ANY_PURPOSE,
        )


def test_sessions_are_the_same_however_many_events_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = [
        event(f"{n:02}", 30 * visit + step)
        for n in range(20)
        for visit in range(4)
        for step in range(n % 5 + 1)
    ]
    changes = {"gap_minutes": 5.0, "split": BY_HASH, "history": LIMIT}
    write_events(tmp_path, log, parts=1)
    plan = SessionPlan(factories.sessions_spec(**changes), 0, NO_FIELDS)
    part = tmp_path / "events/part-00000.parquet"
    (whole,) = read_events(part, plan)
    monkeypatch.setattr(event_tables, "HISTORY_ROWS", 7)
    tables = [make_sessions(events, plan)[0] for events in read_events(part, plan)]
    assert len(tables) > 10
    assert pa.concat_tables(tables).to_pylist() == make_sessions(whole, plan)[0].to_pylist()
