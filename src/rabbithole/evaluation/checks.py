"""Cheap checks for leaks, made in every run: has anything of valid, of test or of the future reached train?

Each reads what the steps before wrote, and none shares code with them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.files import read_json, write_json
from rabbithole.sessions.splitting import SPLITS
from rabbithole.tables import data_files, read_manifest
from rabbithole.windows.fields import CATEGORICAL, FIELDS, FIRST_VALUE, MISSING, NUMERIC

SAMPLE = 20_000
"""Sessions whose costs, categories and dwell times are looked up again."""

CLOSE = 1e-3
"""How far from what they should be normalised numbers may lie."""


@dataclass(frozen=True)
class Check:
    """What was asked, whether it holds, and what was found, in words."""

    name: str
    holds: bool
    found: str


def check(*, events: Path, sessions: Path, windows: Path, output: Path) -> None:
    """Write checks.json: {"checks": [{"name", "holds", "found"}]}. Nothing is stopped: the report says it."""
    facts = {folder.name: read_manifest(folder) for folder in (events, sessions, windows)}
    table = _read(sessions, ["session_id", "visitor", "split", "buyer", "open", "start", "events"])
    found = [
        _each_session_once(table),
        _visitors_apart(table, facts["sessions"]["split_by"]),
        *_in_time_order(table, facts["sessions"]["split_by"]),
        _windows_are_the_sessions(table, windows, keep_open=facts["windows"]["keep_open"]),
        _vocabulary_of_train(windows),
        _normalised_on_train(windows),
        _no_purchase(windows),
        _ends_before_its_purchase(events, sessions, facts["sessions"]["by"]),
        *_dwell_looks_back(sessions, windows, facts["windows"]["fields"]),
        *_nothing_left_out_is_told(windows, facts["windows"]["fields"]),
        *_long_enough(table, facts["sessions"]["minimum_events"]),
        *_judged_at_the_cart(sessions, windows, facts["sessions"]["until"]),
        *_as_known_then(events, sessions, facts["sessions"]["cost"]),
    ]
    write_json(output, {"checks": [asdict(one) for one in found]})


def _read(folder: Path, columns: list[str]) -> pa.Table:
    return pa.concat_tables(pq.read_table(path, columns=columns) for path in data_files(folder))


def _each_session_once(sessions: pa.Table) -> Check:
    repeated = len(sessions) - pc.count_distinct(sessions["session_id"]).as_py()
    return Check("Each session stands in one split, once", repeated == 0, f"{repeated:,} stand there again")


def _visitors_apart(sessions: pa.Table, split_by: str) -> Check:
    known = sessions.filter(sessions["visitor"].is_valid())
    splits = known.group_by("visitor").aggregate([("split", "count_distinct")])["split_count_distinct"]
    both = int(pc.sum(pc.greater(splits, 1), min_count=0).as_py())
    name = "No visitor stands in two splits"
    if len(known) == 0:
        return Check(name, True, "the log names no visitors")
    by_time = " (the split is by time: who comes back does)" if split_by == "time" and both else ""
    return Check(name, both == 0 or split_by == "time", f"{both:,} of {len(splits):,} do{by_time}")


def _in_time_order(sessions: pa.Table, split_by: str) -> Iterator[Check]:
    if split_by != "time":
        return
    ends = [
        pc.min_max(sessions.filter(pc.equal(sessions["split"], split))["start"]).as_py() for split in SPLITS
    ]
    late = [
        f"{after} begins {second['min']:%Y-%m-%d %H:%M}, {before} ends {first['max']:%Y-%m-%d %H:%M}"
        for (before, after), (first, second) in zip(
            itertools.pairwise(SPLITS), itertools.pairwise(ends), strict=True
        )
    ]
    holds = all(first["max"] < second["min"] for first, second in itertools.pairwise(ends))
    yield Check("Train comes before valid, and valid before test", holds, "; ".join(late))


def _windows_are_the_sessions(sessions: pa.Table, windows: Path, *, keep_open: bool) -> Check:
    """Labels too: then no split was balanced, as a balanced one lacks sessions or repeats some."""
    wanted = sessions if keep_open else sessions.filter(pc.invert(sessions["open"]))
    wrong, shares = 0, []
    for split in SPLITS:
        mine = wanted.filter(pc.equal(wanted["split"], split)).select(["session_id", "buyer"])
        mine = mine.set_column(1, "buyer", mine["buyer"].cast(pa.int8())).sort_by("session_id")
        theirs = _read(windows / split, ["session_id", "buyer"]).sort_by("session_id")
        if not mine.equals(theirs.cast(mine.schema)):
            joined = mine.append_column("n", pa.repeat(1, len(mine))).join(
                theirs.append_column("m", pa.repeat(1, len(theirs))),
                ["session_id", "buyer"],
                join_type="full outer",
            )
            wrong += joined["n"].null_count + joined["m"].null_count + abs(len(theirs) - len(mine))
        shares.append(f"{split} {pc.mean(theirs['buyer']).as_py():.2%}")
    found = f"{wrong:,} differ; share of buyers: {', '.join(shares)}"
    return Check(
        "Every split holds its own sessions, all of them, at their natural balance", wrong == 0, found
    )


def _vocabulary_of_train(windows: Path) -> Check:
    sizes, lost = read_json(windows / "encoder.json")["sizes"], []
    for field in CATEGORICAL:
        codes = pc.list_flatten(_read(windows / "train", [field])[field]).combine_chunks().to_numpy()
        seen = np.bincount(codes, minlength=sizes[field])[FIRST_VALUE:] > 0
        if not seen.all():
            lost.append(f"{int(np.sum(~seen)):,} of {field}")
    found = f"{', '.join(lost) or 'none'} of its values does train lack"
    return Check("The vocabulary was fitted on train alone", not lost, found)


def _no_purchase(windows: Path) -> Check:
    # No vocabulary: the models do not see which event it was.
    told = "transaction" in read_json(windows / "encoder.json")["vocabularies"].get("event", [])
    return Check("No purchase is in a window", not told, "the vocabulary has one" if told else "none")


def _normalised_on_train(windows: Path) -> Check:
    """Train's own numbers have mean 0 and deviation 1, if nothing else had a part in what normalised them."""
    off, told = False, []
    for field in NUMERIC:
        values = pc.drop_null(pc.list_flatten(_read(windows / "train", [field])[field])).to_numpy()
        if len(values):
            mean, deviation = float(values.mean(dtype=float)), float(values.std(dtype=float))
            off |= abs(mean) > CLOSE or (deviation > CLOSE and abs(deviation - 1) > CLOSE)
            told.append(f"{field}: mean {abs(mean):.3f} from 0, deviation {deviation:.3f}")
    return Check("Numbers were normalised on train alone", not off, "; ".join(told) or "there are none")


def _ends_before_its_purchase(events: Path, sessions: Path, by: str) -> Check:
    """Look for a purchase by the same visitor (or session) from a session's first event to its last."""
    key = "session_id" if by == "session" else "visitor"
    # Filtered as it is read: a full log has thirty times as many other events.
    purchase = pc.field("event") == "transaction"
    bought = pa.concat_tables(
        pq.read_table(path, columns=[key, "timestamp"], filters=purchase) for path in data_files(events)
    )
    mine = _read(sessions, [key, "start", "timestamp"])
    mine = mine.filter(pc.is_in(mine[key], bought[key].combine_chunks())).combine_chunks()
    times = (
        mine["timestamp"].combine_chunks() if len(mine) else pa.array([], pa.list_(pa.timestamp("us", "UTC")))
    )
    ends = np.cumsum(pc.list_value_length(times).to_numpy()) - 1
    spans = pd.DataFrame(
        {
            "key": mine[key].to_pandas(),
            "time": pd.to_datetime(mine["start"].to_pandas(), utc=True).dt.as_unit("us"),
            "last": pd.to_datetime(pc.list_flatten(times).take(pa.array(ends)).to_pandas(), utc=True),
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


def _dwell_looks_back(sessions: Path, windows: Path, fields: list[str]) -> Iterator[Check]:
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
        table = _read(windows / split, ["session_id", "dwell"])
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


def _nothing_left_out_is_told(windows: Path, fields: list[str]) -> Iterator[Check]:
    told = []
    left_out = [field for field in FIELDS if field not in fields]
    for field in left_out:
        for folder in sorted(path for path in windows.iterdir() if data_files(path)):
            values = pc.list_flatten(_read(folder, [field])[field])
            missing = pc.equal(values, MISSING) if field in CATEGORICAL else pc.is_null(values)
            if not pc.all(missing).as_py():
                told.append(f"{field} in {folder.name}")
    if left_out:
        found = ", ".join(told) or f"{', '.join(left_out)}: missing everywhere"
        yield Check("No field that is left out is in a window", not told, found)


def _long_enough(sessions: pa.Table, minimum: int) -> Iterator[Check]:
    if minimum > 1:
        short = int(pc.sum(pc.less(sessions["events"], minimum), min_count=0).as_py())
        yield Check(f"No session has fewer than {minimum} events", short == 0, f"{short:,} have")


def _judged_at_the_cart(sessions: Path, windows: Path, until: str) -> Iterator[Check]:
    """Hold that each list of events has one cart, its last: in the sessions, and in windows that tell it."""
    if until != "first_cart":
        return
    wrong = {"sessions": _not_at_the_cart(_read(sessions, ["event"])["event"], "addtocart")}
    kinds = read_json(windows / "encoder.json")["vocabularies"].get("event", [])
    if "addtocart" in kinds:
        code = FIRST_VALUE + kinds.index("addtocart")
        for split in SPLITS:
            wrong[f"windows of {split}"] = _not_at_the_cart(_read(windows / split, ["event"])["event"], code)
    found = ", ".join(f"{count:,} {place}" for place, count in wrong.items())
    yield Check("Every session is judged at its first cart", not any(wrong.values()), f"{found} are not")


def _not_at_the_cart(events: pa.ChunkedArray, cart: str | int) -> int:
    """Count lists of events whose last is not a cart, and carts that are not the last of their list."""
    lists = events.combine_chunks()
    is_cart = pc.equal(pc.list_flatten(lists), cart).to_numpy(zero_copy_only=False)
    ends = np.cumsum(pc.list_value_length(lists).to_numpy()) - 1
    return int((~is_cart[ends]).sum() + is_cart.sum() - is_cart[ends].sum())


def _as_known_then(events: Path, sessions: Path, cost: str) -> Iterator[Check]:
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
