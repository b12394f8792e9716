"""The leak checks of every run: did anything of valid, of test or of the future reach train?"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.data import EncoderFile, EventsManifest, Fields, SessionsManifest, WindowsManifest
from rabbithole.checks import split_checks
from rabbithole.checks.history_checks import events_of_visitors, histories
from rabbithole.checks.split_checks import SPLITS, exceptions, own_lists, read_windows
from rabbithole.counts import plural
from rabbithole.sessions.session_task import HISTORY
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.windows.fields import FIRST_VALUE

SAMPLE_SESSIONS = 20_000
"""Sessions whose costs, categories and dwell times are checked."""

DWELL_TOLERANCE = 1e-3
"""How far an encoded dwell time may fall while the time itself grows."""


def purchases(events: Path, sessions: Path, by: str) -> LeakCheck:
    """Check that no purchase of the same visitor (or session) is between a session's first and last event."""
    key = "session_id" if by == "session" else "visitor"
    # Filtered while reading: a full log has thirty times as many other events.
    is_purchase = pc.field("event") == "transaction"
    bought = pq.read_table(EventsManifest.parts(events), columns=[key, "timestamp"], filters=is_purchase)
    table = pq.read_table(SessionsManifest.parts(sessions), columns=[key, "start", "timestamp"])
    table = table.filter(pc.is_in(table[key], bought[key].combine_chunks()))
    spans = pd.DataFrame(
        {
            "key": table[key].to_pandas(),
            "time": _utc(table["start"].to_pandas()),
            "last": _utc(_last(table["timestamp"].combine_chunks()).to_pandas()),
        }
    )
    purchase_times = pd.DataFrame(
        {"key": bought[key].to_pandas(), "time": _utc(bought["timestamp"].to_pandas())}
    )
    purchase_times["purchase"] = purchase_times["time"]
    # The first purchase at or after each session's start.
    following = pd.merge_asof(
        spans.sort_values("time"),
        purchase_times.sort_values("time"),
        on="time",
        by="key",
        direction="forward",
    )
    wrong = int((following["purchase"] <= following["last"]).sum())
    return LeakCheck(
        name="Each session ends before its purchase",
        holds=wrong == 0,
        detail=exceptions(wrong, len(spans), "session"),
    )


def open_sessions(events: Path, sessions: Path, minutes: float) -> LeakCheck:
    """Check that sessions are flagged as open by their last kept event, near the end of the log."""
    ends = [
        pc.max(pq.read_table(path, columns=["timestamp"])["timestamp"]).as_py()
        for path in EventsManifest.parts(events)
    ]
    since, wrong = pa.scalar(max(ends) - timedelta(minutes=minutes)), 0
    for path in SessionsManifest.parts(sessions):
        table = pq.read_table(path, columns=["open", "timestamp"]).combine_chunks()
        late = pc.greater_equal(_last(table["timestamp"].combine_chunks()), since)
        wrong += pc.sum(pc.xor(late, table["open"]), min_count=0).as_py()
    return LeakCheck(
        name="Open sessions are marked from their last kept event only",
        holds=wrong == 0,
        detail=plural(wrong, "exception", zero="no"),
    )


def dwell(sessions: Path, windows: Path, fields: Fields) -> Iterator[LeakCheck]:
    """Compare the dwell times of a sample of sessions with the times of their events.

    Whatever the encoding, it must grow with the time since the previous event, and a session's first event
    has no dwell time.
    """
    if "dwell" not in fields.numeric:
        return
    file = pq.ParquetFile(SessionsManifest.parts(sessions)[0])
    history = [HISTORY] if HISTORY in file.schema_arrow.names else []
    batch = next(file.iter_batches(SAMPLE_SESSIONS, columns=["session_id", "timestamp", *history]))
    names = batch["session_id"].to_pylist()
    since_previous = {
        name: np.append(np.nan, np.diff(times.astype("int64")))
        for name, times in zip(names, batch["timestamp"].to_numpy(False), strict=True)
    }
    counts = batch[HISTORY].to_pylist() if history else [0] * len(names)
    earlier = dict(zip(names, counts, strict=True))
    expected, actual = [], []
    for split in SPLITS:
        table = read_windows(windows, split, ["session_id", "dwell"])
        table = table.filter(pc.is_in(table["session_id"], batch["session_id"]))
        for name, encoded in zip(table["session_id"].to_pylist(), table["dwell"].to_pylist(), strict=True):
            # A window holds the whole history, then the session's last events.
            before, own = np.split(since_previous[name], [earlier[name]])
            expected.append(np.append(before, own[len(own) - (len(encoded) - len(before)) :]))
            actual.append(np.array(encoded, float))
    steps = pd.DataFrame({"expected": np.concatenate(expected), "actual": np.concatenate(actual)})
    ordered = steps.dropna().sort_values(["expected", "actual"])
    wrong = int((steps["expected"].isna() != steps["actual"].isna()).sum())
    wrong += int((ordered["actual"].diff() < -DWELL_TOLERANCE).sum())
    yield LeakCheck(
        name="Dwell time is the time since the previous event",
        holds=wrong == 0,
        detail=exceptions(wrong, len(steps), "step"),
    )


def first_cart(sessions: Path, windows: Path, encoder: EncoderFile, until: str) -> Iterator[LeakCheck]:
    """Check that each session (each window too, if it has event types) has one add-to-cart, as its last."""
    if until != "first_cart":
        return
    history = [HISTORY] if encoder.history else []
    columns = ["event", *history]
    table = pq.read_table(SessionsManifest.parts(sessions), columns=columns)
    wrong = {"the sessions": _wrong_carts(table, "addtocart")}
    event_types = [str(name) for name in encoder.vocabularies.get("event", [])]
    if "addtocart" in event_types:
        code = FIRST_VALUE + event_types.index("addtocart")
        for split in SPLITS:
            table = read_windows(windows, split, columns)
            wrong[f"the windows of {split}"] = _wrong_carts(table, code)
    yield LeakCheck(
        name="Each session ends at its first add-to-cart",
        holds=not any(wrong.values()),
        detail=", ".join(
            f"{plural(count, 'exception', zero='no')} in {place}" for place, count in wrong.items()
        ),
    )


def _wrong_carts(table: pa.Table, cart: str | int) -> int:
    """Count sessions whose last event is not a cart, and carts that are not the last event of theirs."""
    lists = own_lists(table, "event")
    is_cart = pc.equal(pc.list_flatten(lists), cart).to_numpy(zero_copy_only=False)
    ends = _last_indices(lists)
    return int((~is_cart[ends]).sum() + is_cart.sum() - is_cart[ends].sum())


def known_values(
    sessions: Path, *, category: Path | None, cost: Path | None, purchase_price: Path | None
) -> Iterator[LeakCheck]:
    """Compare categories and costs in a sample of sessions with the histories of the items.

    category, cost: histories from the log: the value at the time of an event is the last one up to it.
    purchase_price: the history of prices in purchases, instead of `cost`: the value is the last one
    strictly before the session began.
    """
    at_event = "at the time of the event"
    histories = [("category", category, at_event)]
    histories += [("cost", cost, at_event)] if purchase_price is None else []
    histories += [("cost", purchase_price, "before the session began")]
    steps = None
    for field, path, moment in histories:
        if path is None:
            continue
        if steps is None:
            steps = _sample_steps(sessions, ["start"], ["timestamp", "item", "category", "cost"])
            steps = steps.assign(start=_utc(steps["start"])).astype({"cost": float})
        steps["time"] = steps["timestamp"] if moment == at_event else steps["start"]
        history = pq.read_table(path).rename_columns(["item", "time", "known"]).to_pandas()
        compared = pd.merge_asof(
            steps.sort_values("time", kind="stable"),
            history.sort_values("time", kind="stable"),
            on="time",
            by="item",
            allow_exact_matches=moment == at_event,
        )
        same = (compared[field] == compared["known"]) | (compared[field].isna() & compared["known"].isna())
        wrong = int((~same).sum())
        yield LeakCheck(
            name=f"An item's {field} is the one known {moment}",
            holds=wrong == 0,
            detail=exceptions(wrong, len(compared), "event"),
        )


def own_values(events: Path, sessions: Path, manifest: SessionsManifest) -> Iterator[LeakCheck]:
    """Compare the further fields in a sample of sessions with the events of the same moment.

    A value from another event, a later one say, would be no value of this moment.
    """
    # How many sessions ago an event was is no field of the log.
    names = [name for name in manifest.fields.names if name != SESSIONS_AGO]
    if not names:
        return
    key = "session_id" if manifest.by == "session" else "visitor"
    history = [HISTORY] if manifest.history else []
    labels = list(dict.fromkeys([key, "session_id", "visitor", *history]))
    steps = _sample_steps(sessions, labels, ["timestamp", *names])
    parts = (pq.read_table(path, columns=[key, "timestamp", *names]) for path in EventsManifest.parts(events))
    keys = pa.array(steps[key].unique(), pa.string())
    known = pa.concat_tables(part.filter(pc.is_in(part[key], keys)) for part in parts)
    compared = [(steps, known)]
    if manifest.history and key == "session_id":
        # A history is of other sessions, so it is compared with all events of the visitor.
        earlier = steps.groupby("session_id").cumcount() < steps[HISTORY]
        of_visitors = events_of_visitors(events, pa.array(steps["visitor"].unique(), pa.string()), names)
        compared = [(steps[~earlier], known), (steps[earlier], of_visitors)]
    for field in names:
        wrong = sum(_values_differ(some, table, field) for some, table in compared)
        yield LeakCheck(
            name=f"An event's {field} is that of its own line",
            holds=wrong == 0,
            detail=f"{wrong:,} of {len(steps):,} events differ",
        )


def _values_differ(steps: pd.DataFrame, known: pa.Table, field: str) -> int:
    """Return how many steps have a value that no event of the same session (or visitor) and time has."""
    columns = [known.column_names[0], "timestamp", field]
    values = known.select(columns).to_pandas().drop_duplicates()
    values["timestamp"] = _utc(values["timestamp"])
    matched = steps[columns].astype(values.dtypes).merge(values, how="left", indicator=True)
    return int((matched["_merge"] == "left_only").sum())


def _sample_steps(sessions: Path, columns: list[str], lists: list[str]) -> pd.DataFrame:
    """Return the events of the first sessions, one row each. lists: `timestamp` and others."""
    batches = (
        batch
        for path in SessionsManifest.parts(sessions)
        for batch in pq.ParquetFile(path).iter_batches(SAMPLE_SESSIONS, columns=[*columns, *lists])
    )
    table: pd.DataFrame = next(batches).to_pandas()
    steps = table.explode(lists, ignore_index=True)
    return steps.assign(timestamp=_utc(steps["timestamp"]))


def _utc(times: pd.Series) -> pd.Series:
    return pd.to_datetime(times, utc=True).dt.as_unit("us")


def _last(lists: pa.Array) -> pa.Array:
    """Return the last value of each list."""
    return pc.list_flatten(lists).take(pa.array(_last_indices(lists)))


def _last_indices(lists: pa.Array) -> NDArray[np.int64]:
    """Return the index of each list's last value among all values."""
    return np.asarray(np.cumsum(pc.list_value_length(lists).to_numpy()) - 1)


def check_leaks(*, events: Path, sessions: Path, windows: Path, output: Path) -> None:
    """Check the events, sessions and windows of a data set; write checks.json.

    A check that fails does not stop the run: the report shows it.
    """
    log, manifest = EventsManifest.of(events), SessionsManifest.of(sessions)
    encoded, encoder = WindowsManifest.of(windows), EncoderFile.read(windows / "encoder.json")
    table = split_checks.read_sessions(sessions)
    checks = [
        split_checks.session_ids(table),
        split_checks.visitors(table, manifest.split_by),
        *split_checks.split_order(table, manifest.split_by),
        split_checks.window_sessions(table, windows, keep_open=encoded.keep_open),
        split_checks.vocabularies(windows, encoder),
        split_checks.normalisation(windows, encoder),
        split_checks.event_vocabulary(windows, encoder),
        purchases(events, sessions, manifest.by),
        open_sessions(events, sessions, manifest.open_minutes),
        *dwell(sessions, windows, encoded.fields),
        *split_checks.left_out_fields(windows, encoded.left_out),
        *split_checks.minimum_events(table, manifest.minimum_events),
        *first_cart(sessions, windows, encoder, manifest.until),
        *known_values(
            sessions,
            category=side_table(events, log.category_history),
            cost=side_table(events, log.cost_history),
            purchase_price=side_table(sessions, manifest.price_history),
        ),
        *own_values(events, sessions, manifest),
        *histories(events, sessions, windows, manifest),
    ]
    LeakChecks(checks=checks).write(output)


def side_table(folder: Path, name: str | None) -> Path | None:
    """Return the path of a side table that a manifest names, None if there is none."""
    return None if name is None else folder / name
