"""Properties of the cut that hold for any log and any setting."""

import factories
import numpy as np
import pyarrow as pa
from factories import BY_HASH, EVENT_SCHEMA, NO_FIELDS, Row, event
from hypothesis import assume, given
from hypothesis import strategies as st

from rabbithole.sessions.cutting import EXCLUSION_REASONS, SessionCut, cut_sessions
from rabbithole.sessions.session_task import SessionCounts, SessionPlan, make_sessions
from rabbithole.specs.data import SessionsSpec

kinds = st.sampled_from(["view", "view", "addtocart", "transaction"])
events = st.builds(event, st.sampled_from("abc"), st.integers(0, 12), kinds, item=st.sampled_from("xyz"))
logs = st.lists(events, min_size=1, max_size=30)
specs = st.builds(
    factories.sessions_spec,
    gap_minutes=st.sampled_from([None, 1.0, 3.0]),
    until=st.sampled_from(["purchase", "first_cart"]),
    minimum_events=st.integers(1, 3),
    sample=st.sampled_from([1.0, 0.5]),
    seed=st.integers(0, 9),
    split=st.just(BY_HASH),
)


def table(log: list[Row]) -> pa.Table:
    """Return the events of a log as the events step sorts them."""
    rows = [row | {"position": position} for position, row in enumerate(log)]
    rows.sort(key=lambda row: (row["session_id"], row["timestamp"], row["position"]))
    return pa.Table.from_pylist(rows, EVENT_SCHEMA)


def sessions_of(log: list[Row], spec: SessionsSpec) -> pa.Table:
    return make_sessions(table(log), SessionPlan(spec, open_from=0, further=NO_FIELDS))[0]


def per_event(cut: SessionCut, sessions: np.ndarray) -> np.ndarray:
    """Repeat a value of each session for each of its events."""
    return np.repeat(sessions, cut.lengths)


@given(logs, specs)
def test_no_kept_event_is_at_or_after_the_first_transaction(log: list[Row], spec: SessionsSpec) -> None:
    events = table(log)
    cut = cut_sessions(events, spec)
    kind = np.array(events["event"].to_pylist())
    for begin, end, buyer in zip(cut.offsets[:-1], cut.offsets[1:], cut.buyer, strict=True):
        bought = cut.times[begin:end][kind[begin:end] == "transaction"]
        assert buyer == (len(bought) > 0)
        if buyer:
            assert (cut.times[begin:end][cut.keep[begin:end]] < bought.min()).all()


@given(logs, specs)
def test_kept_events_are_the_first_ones_in_time_of_their_session(log: list[Row], spec: SessionsSpec) -> None:
    cut = cut_sessions(table(log), spec)
    for begin, end, kept in zip(cut.offsets[:-1], cut.offsets[1:], cut.kept, strict=True):
        times, keep = cut.times[begin:end], cut.keep[begin:end]
        assert keep.sum() == kept
        if kept:
            assert times[keep].max() <= times[~keep].min(initial=times.max())


@given(logs, specs)
def test_a_session_until_its_first_cart_ends_with_its_only_cart(log: list[Row], spec: SessionsSpec) -> None:
    sessions = sessions_of(log, spec.model_copy(update={"until": "first_cart"}))
    for row in sessions.to_pylist():
        assert row["event"][-1] == "addtocart"
        assert "addtocart" not in row["event"][:-1]
        assert all(time < row["end"] for time in row["timestamp"][:-1])


@given(logs, specs)
def test_every_event_is_kept_cut_dropped_or_excluded_exactly_once(log: list[Row], spec: SessionsSpec) -> None:
    events = table(log)
    cut = cut_sessions(events, spec)
    excluded = [per_event(cut, cut.excluded[reason]) for reason in EXCLUSION_REASONS]
    after = ~cut.keep & per_event(cut, cut.kept > 0)
    classes = [cut.keep, after, per_event(cut, cut.dropped), *excluded]
    assert (np.sum(classes, axis=0) == 1).all()
    sessions, counts = make_sessions(events, SessionPlan(spec, open_from=0, further=NO_FIELDS))
    assert counts.events.total == len(log)
    assert [counts.events.kept, counts.events.cut, counts.events.dropped] == [
        mask.sum() for mask in classes[:3]
    ]
    assert [counts.excluded[reason].events for reason in EXCLUSION_REASONS] == [
        mask.sum() for mask in excluded
    ]
    assert sum(map(len, sessions["item"].to_pylist())) == counts.events.kept
    assert sum(group.sessions for group in counts.groups) == len(sessions)


@given(logs, specs, st.lists(events, max_size=9))
def test_events_at_or_after_the_first_transaction_change_no_session(
    log: list[Row], spec: SessionsSpec, extra: list[Row]
) -> None:
    spec = spec.model_copy(update={"gap_minutes": None})
    first: dict[str, object] = {}
    for row in sorted(log, key=lambda row: row["timestamp"]):
        if row["event"] == "transaction":
            first.setdefault(row["session_id"], row["timestamp"])
    later = [row for row in extra if row["timestamp"] >= first.get(row["session_id"], row["timestamp"])]
    later = [row for row in later if row["session_id"] in first]
    assume(later)
    assert sessions_of(log + later, spec).equals(sessions_of(log, spec))


@given(logs, specs, st.lists(events, max_size=9))
def test_events_at_or_after_the_first_cart_change_no_session_but_its_label(
    log: list[Row], spec: SessionsSpec, extra: list[Row]
) -> None:
    spec = spec.model_copy(update={"gap_minutes": None, "until": "first_cart", "minimum_events": 1})
    before = sessions_of(log, spec)
    ends = dict(zip(before["session_id"].to_pylist(), before["end"].to_pylist(), strict=True))
    later = []
    for row in extra:
        end = ends.get(row["session_id"])
        if end is None or row["timestamp"] < end:
            continue
        # A transaction at the very time of the cart would come before it.
        if row["timestamp"] > end or row["event"] != "transaction":
            later.append(row)
    assume(later)
    after = sessions_of(log + later, spec)
    assert after.drop_columns(["buyer"]).equals(before.drop_columns(["buyer"]))


@given(logs, specs, st.integers(0, 12))
def test_counts_of_parts_add_up_to_those_of_the_log(log: list[Row], spec: SessionsSpec, minute: int) -> None:
    """The parts hold the keys a and b, and c. Their groups may be alike and are compared as sums."""
    bounds = np.array([0, minute], np.int64) * 60_000_000 + 1_433_116_800_000_000
    spec = spec.model_copy(update={"split": factories.BY_TIME})
    plan = SessionPlan(spec, open_from=0, further=NO_FIELDS, bounds=bounds)
    parts = [[row for row in log if (row["session_id"] == "c") == last] for last in (False, True)]
    total = SessionCounts.total(make_sessions(table(part), plan)[1] for part in parts if part)
    expected = make_sessions(table(log), plan)[1]
    assert total.model_copy(update={"groups": expected.groups}) == expected

    def by_group(counts: SessionCounts) -> dict[tuple[object, ...], int]:
        sums: dict[tuple[object, ...], int] = {}
        for *key, sessions in counts.groups:
            sums[tuple(key)] = sums.get(tuple(key), 0) + sessions
        return sums

    assert by_group(total) == by_group(expected)


@given(logs, specs)
def test_counts_survive_the_way_through_spark(log: list[Row], spec: SessionsSpec) -> None:
    counts = make_sessions(table(log), SessionPlan(spec, open_from=0, further=NO_FIELDS))[1]
    report = pa.Table.from_batches([counts.to_report(), SessionCounts().to_report()])
    assert SessionCounts.total_of_reports(report) == counts
