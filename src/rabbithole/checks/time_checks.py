"""The result of a check, and how checks read columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.io.atomic import read_json
from rabbithole.io.parts import data_files
from rabbithole.sessions.splitting import SPLITS
from rabbithole.windows.fields import FIRST_VALUE


@dataclass(frozen=True)
class Check:
    """What was asked, whether it holds, and what was found, in words."""

    name: str
    holds: bool
    found: str


def read_columns(folder: Path, columns: list[str]) -> pa.Table:
    """Return columns of all the Parquet files of a folder, as one table."""
    return pa.concat_tables(pq.read_table(path, columns=columns) for path in data_files(folder))


SAMPLE = 20_000
"""Sessions whose costs, categories and dwell times are looked up again."""

CLOSE = 1e-3
"""How far an encoded dwell time may fall where the time itself grows."""


def ends_before_its_purchase(events: Path, sessions: Path, by: str) -> Check:
    """Look for a purchase by the same visitor (or session) from a session's first event to its last."""
    key = "session_id" if by == "session" else "visitor"
    # Filtered as it is read: a full log has thirty times as many other events.
    purchase = pc.field("event") == "transaction"
    bought = pa.concat_tables(
        pq.read_table(path, columns=[key, "timestamp"], filters=purchase) for path in data_files(events)
    )
    mine = read_columns(sessions, [key, "start", "timestamp"])
    mine = mine.filter(pc.is_in(mine[key], bought[key].combine_chunks())).combine_chunks()
    times = (
        mine["timestamp"].combine_chunks() if len(mine) else pa.array([], pa.list_(pa.timestamp("us", "UTC")))
    )
    spans = pd.DataFrame(
        {
            "key": mine[key].to_pandas(),
            "time": pd.to_datetime(mine["start"].to_pandas(), utc=True).dt.as_unit("us"),
            "last": pd.to_datetime(_last(times).to_pandas(), utc=True),
        }
    )
    purchases = pd.DataFrame(
        {
            "key": bought[key].to_pandas(),
            "time": pd.to_datetime(bought["timestamp"].to_pandas(), utc=True).dt.as_unit("us"),
        }
    ).assign(bought=lambda frame: frame["time"])
    found = pd.merge_asof(
        spans.sort_values("time"), purchases.sort_values("time"), on="time", by="key", direction="forward"
    )
    wrong = int((found["bought"] <= found["last"]).sum())
    return Check("Every session ends before its purchase", wrong == 0, f"{wrong:,} of {len(spans):,} do not")


def open_by_the_last_event(events: Path, sessions: Path, minutes: float) -> Check:
    """Look up which sessions the log's end may have cut, by the last event that each keeps."""
    ends = [
        pc.max(pq.read_table(path, columns=["timestamp"])["timestamp"]).as_py() for path in data_files(events)
    ]
    since, wrong = pa.scalar(max(ends) - timedelta(minutes=minutes)), 0
    for path in data_files(sessions):
        mine = pq.read_table(path, columns=["open", "timestamp"]).combine_chunks()
        late = pc.greater_equal(_last(mine["timestamp"].combine_chunks()), since)
        wrong += pc.sum(pc.xor(late, mine["open"]), min_count=0).as_py()
    name = "Whether a session is still open is told by its last kept event alone"
    return Check(name, wrong == 0, f"{wrong:,} are told otherwise")


def _last(lists: pa.Array) -> pa.Array:
    return pc.list_flatten(lists).take(pa.array(_ends(lists)))


def _ends(lists: pa.Array) -> NDArray[np.int64]:
    """Return where the last value of each list stands among all values."""
    return np.asarray(np.cumsum(pc.list_value_length(lists).to_numpy()) - 1)


def dwell_looks_back(sessions: Path, windows: Path, fields: list[str]) -> Iterator[Check]:
    """Hold the times of a sample of sessions against their windows.

    An event's encoded dwell time must grow with the time since the one before it, whatever the encoding, and
    a session's first event has none.
    """
    if "dwell" not in fields:
        return
    path = data_files(sessions)[0]
    batch = next(pq.ParquetFile(path).iter_batches(SAMPLE, columns=["session_id", "timestamp"]))
    waits = {
        name: np.append(np.nan, np.diff(times.astype("int64")))
        for name, times in zip(
            batch["session_id"].to_pylist(), batch["timestamp"].to_numpy(False), strict=True
        )
    }
    since, told = [], []
    for split in SPLITS:
        table = read_columns(windows / split, ["session_id", "dwell"])
        table = table.filter(pc.is_in(table["session_id"], batch["session_id"]))
        for name, values in zip(table["session_id"].to_pylist(), table["dwell"].to_pylist(), strict=True):
            since.append(waits[name][-len(values) :])
            told.append(np.array(values, float))
    frame = pd.DataFrame({"since": np.concatenate(since), "told": np.concatenate(told)})
    known = frame.dropna().sort_values(["since", "told"])
    wrong = int((frame["since"].isna() != frame["told"].isna()).sum())
    wrong += int((known["told"].diff() < -CLOSE).sum())
    yield Check(
        "A dwell time is the one since the event before", wrong == 0, f"{wrong:,} of {len(frame):,} are not"
    )


def judged_at_the_cart(sessions: Path, windows: Path, until: str) -> Iterator[Check]:
    """Hold that each list of events has one cart, its last: in the sessions, and in windows that tell it."""
    if until != "first_cart":
        return
    wrong = {"sessions": _not_at_the_cart(read_columns(sessions, ["event"])["event"], "addtocart")}
    kinds = read_json(windows / "encoder.json")["vocabularies"].get("event", [])
    if "addtocart" in kinds:
        code = FIRST_VALUE + kinds.index("addtocart")
        for split in SPLITS:
            wrong[f"windows of {split}"] = _not_at_the_cart(
                read_columns(windows / split, ["event"])["event"], code
            )
    found = ", ".join(f"{count:,} {place}" for place, count in wrong.items())
    yield Check("Every session is judged at its first cart", not any(wrong.values()), f"{found} are not")


def _not_at_the_cart(events: pa.ChunkedArray, cart: str | int) -> int:
    """Count lists of events whose last is not a cart, and carts that are not the last of their list."""
    lists = events.combine_chunks()
    is_cart = pc.equal(pc.list_flatten(lists), cart).to_numpy(zero_copy_only=False)
    ends = _ends(lists)
    return int((~is_cart[ends]).sum() + is_cart.sum() - is_cart[ends].sum())


def as_known_then(events: Path, sessions: Path, cost: str) -> Iterator[Check]:
    """Look up what a sample of sessions says of its items, in the tables of what was known when."""
    tables = {"category": events / "_category.parquet", "cost": events / "_cost.parquet"}
    exact = {"category": True, "cost": True}
    if cost == "purchases":
        tables["cost"], exact["cost"] = sessions / "_prices.parquet", False
    if not any(table.exists() for table in tables.values()):
        return
    steps = _steps(sessions)
    for field, path in tables.items():
        if not path.exists():
            continue
        known = pq.read_table(path).rename_columns(["item", "time", "known"]).to_pandas()
        # Strictly before the session where costs come from purchases, else up to the event's own time.
        steps["time"] = steps["timestamp"] if exact[field] else steps["start"]
        then = pd.merge_asof(
            steps.sort_values("time", kind="stable"),
            known.sort_values("time", kind="stable"),
            on="time",
            by="item",
            allow_exact_matches=exact[field],
        )
        same = (then[field] == then["known"]) | (then[field].isna() & then["known"].isna())
        wrong = int((~same).sum())
        moment = "when the event happened" if exact[field] else "before the session began"
        yield Check(
            f"An item's {field} is the one known {moment}", wrong == 0, f"{wrong:,} of {len(then):,} are not"
        )


def _steps(sessions: Path) -> pd.DataFrame:
    """Return the events of the first `SAMPLE` sessions, one row each."""
    columns = ["start", "timestamp", "item", "category", "cost"]
    batches = (
        batch
        for path in data_files(sessions)
        for batch in pq.ParquetFile(path).iter_batches(SAMPLE, columns=columns)
    )
    table: pd.DataFrame = next(batches).to_pandas()
    steps = table.explode(["timestamp", "item", "category", "cost"], ignore_index=True)
    moments = {
        name: pd.to_datetime(steps[name], utc=True).dt.as_unit("us") for name in ("start", "timestamp")
    }
    return steps.assign(**moments).astype({"cost": float})
