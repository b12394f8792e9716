"""Leak checks of splits: which sessions, and which visitors, are in train, valid and test?"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.artifacts.data import LeakCheck

SPLITS = ("train", "valid", "test")


def read_sessions(folder: Path) -> pa.Table:
    """Return the columns of the sessions that the checks of splits need."""
    return pq.read_table(
        folder, columns=["session_id", "visitor", "split", "buyer", "open", "start", "events"]
    )


def session_ids(sessions: pa.Table) -> LeakCheck:
    """Check that no session id is repeated."""
    repeated = len(sessions) - pc.count_distinct(sessions["session_id"]).as_py()
    return LeakCheck(
        name="Each session is in exactly one split",
        holds=repeated == 0,
        detail=f"{repeated:,} sessions are repeated",
    )


def visitors(sessions: pa.Table, split_by: str) -> LeakCheck:
    """Check that no visitor is in two splits, unless the split is by time."""
    name = "No visitor is in two splits"
    known = sessions.filter(sessions["visitor"].is_valid())
    if len(known) == 0:
        return LeakCheck(name=name, holds=True, detail="the log has no visitors")
    splits = known.group_by("visitor").aggregate([("split", "count_distinct")])["split_count_distinct"]
    both = int(pc.sum(pc.greater(splits, 1), min_count=0).as_py())
    by_time = " (the split is by time, so returning visitors are)" if split_by == "time" and both else ""
    return LeakCheck(
        name=name,
        holds=both == 0 or split_by == "time",
        detail=f"{both:,} of {len(splits):,} visitors are{by_time}",
    )


def split_order(sessions: pa.Table, split_by: str) -> Iterator[LeakCheck]:
    """Check that splits by time follow each other."""
    if split_by != "time":
        return
    starts = [
        pc.min_max(sessions.filter(pc.equal(sessions["split"], split))["start"]).as_py() for split in SPLITS
    ]
    pairs = list(itertools.pairwise(zip(SPLITS, starts, strict=True)))
    details = [
        f"the last session of {before} starts {first['max']:%Y-%m-%d %H:%M}, "
        f"the first of {after} {second['min']:%Y-%m-%d %H:%M}"
        for (before, first), (after, second) in pairs
    ]
    yield LeakCheck(
        name="Train comes before valid, and valid comes before test",
        holds=all(first["max"] < second["min"] for (_, first), (_, second) in pairs),
        detail="; ".join(details),
    )


def window_sessions(sessions: pa.Table, windows: Path, *, keep_open: bool) -> LeakCheck:
    """Check that each split's windows have the ids and labels of its sessions.

    This also shows that no split was balanced: a balanced one lacks sessions or repeats some.
    """
    kept = sessions if keep_open else sessions.filter(pc.invert(sessions["open"]))
    wrong, shares = 0, []
    for split in SPLITS:
        expected = kept.filter(pc.equal(kept["split"], split)).select(["session_id", "buyer"])
        expected = expected.set_column(1, "buyer", expected["buyer"].cast(pa.int8())).sort_by("session_id")
        actual = pq.read_table(windows / split, columns=["session_id", "buyer"]).sort_by("session_id")
        if not expected.equals(actual.cast(expected.schema)):
            joined = expected.append_column("expected", pa.repeat(1, len(expected))).join(
                actual.append_column("actual", pa.repeat(1, len(actual))),
                ["session_id", "buyer"],
                join_type="full outer",
            )
            unpaired = joined["expected"].null_count + joined["actual"].null_count
            wrong += unpaired + abs(len(actual) - len(expected))
        shares.append(f"{split} {pc.mean(actual['buyer']).as_py():.2%}")
    return LeakCheck(
        name="Each split has all of its own sessions, at their natural share of buyers",
        holds=wrong == 0,
        detail=f"{wrong:,} sessions differ; shares of buyers: {', '.join(shares)}",
    )


def minimum_events(sessions: pa.Table, minimum: int) -> Iterator[LeakCheck]:
    """Check the events of each session, where a minimum is set."""
    if minimum > 1:
        short = int(pc.sum(pc.less(sessions["events"], minimum), min_count=0).as_py())
        yield LeakCheck(
            name=f"Each session has at least {minimum} events",
            holds=short == 0,
            detail=f"{short:,} sessions have fewer",
        )
