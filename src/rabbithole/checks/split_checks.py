"""Leak checks of splits, vocabularies and windows."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.checks import LeakCheck
from rabbithole.artifacts.data import EncoderFile, SessionsManifest, WindowsManifest
from rabbithole.counts import plural
from rabbithole.sessions.session_task import HISTORY
from rabbithole.windows.fields import FIRST_VALUE
from rabbithole.windows.fitting import SUM_SCALE

SPLITS = ("train", "valid", "test")

FOLDERS = (*SPLITS, "test_prefixes", "valid_prefixes")
"""Those of the windows."""


def own_lists(table: pa.Table, column: str) -> pa.ListArray:
    """Return a column of lists without the values of histories."""
    lists = table[column].combine_chunks()
    if HISTORY not in table.column_names:
        return lists
    inside, own = inside_history(table, lists)
    offsets = np.append(0, np.cumsum(own)).astype(np.int32)
    values = lists.flatten().filter(pa.array(~inside))
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def inside_history(table: pa.Table, lists: pa.ListArray) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return whether each value of lists is of a history, and the number of own values of each list."""
    lengths, history = lists.value_lengths().to_numpy(), table[HISTORY].to_numpy()
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return place < np.repeat(history, lengths), lengths - history


def exceptions(count: int, total: int, noun: str) -> str:
    """Write how many of some sessions, steps or events fail a check: 2 exceptions among 1,024 sessions."""
    return f"{plural(count, 'exception', zero='no')} among {plural(total, noun)}"


def read_sessions(folder: Path) -> pa.Table:
    """Return the columns of the sessions that the checks of splits need."""
    return pq.read_table(
        SessionsManifest.parts(folder),
        columns=["session_id", "visitor", "split", "buyer", "open", "start", "events"],
    )


def read_windows(windows: Path, split: str, columns: list[str]) -> pa.Table:
    """Return columns of the windows of a split."""
    return pq.read_table(WindowsManifest.parts(windows, split), columns=columns)


def session_ids(sessions: pa.Table) -> LeakCheck:
    """Check that no session id is repeated."""
    repeated = len(sessions) - pc.count_distinct(sessions["session_id"]).as_py()
    return LeakCheck(
        name="Each session is in exactly one split",
        holds=repeated == 0,
        detail=plural(repeated, "session is repeated", "sessions are repeated", zero="no"),
    )


def visitors(sessions: pa.Table, split_by: str) -> LeakCheck:
    """Check that no visitor is in two splits, unless the split is by time."""
    name = "No visitor is in two splits"
    known = sessions.filter(sessions["visitor"].is_valid())
    if len(known) == 0:
        return LeakCheck(name=name, holds=True, detail="the log has no visitors")
    splits = known.group_by("visitor").aggregate([("split", "count_distinct")])["split_count_distinct"]
    both = int(pc.sum(pc.greater(splits, 1), min_count=0).as_py())
    if split_by == "time" and both:
        counts = f"{both:,} of {plural(len(splits), 'visitor')}"
        return LeakCheck(name="Splits by time may share visitors", holds=True, detail=counts)
    return LeakCheck(name=name, holds=both == 0, detail=exceptions(both, len(splits), "visitor"))


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
        actual = read_windows(windows, split, ["session_id", "buyer"]).sort_by("session_id")
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
        detail=f"{plural(wrong, 'exception', zero='no')}; shares of buyers: {', '.join(shares)}",
    )


def minimum_events(sessions: pa.Table, minimum: int) -> Iterator[LeakCheck]:
    """Check the events of each session, where a minimum is set."""
    if minimum > 1:
        short = int(pc.sum(pc.less(sessions["events"], minimum), min_count=0).as_py())
        yield LeakCheck(
            name=f"Each session has at least {minimum} events",
            holds=short == 0,
            detail=plural(short, "session has fewer", "sessions have fewer", zero="no"),
        )


TOLERANCE = 1e-3
"""How far the mean and the standard deviation of train's normalised numbers may be from 0 and 1."""


def vocabularies(windows: Path, encoder: EncoderFile) -> LeakCheck:
    """Check that every value of the vocabularies occurs in train."""
    absent = []
    for field in encoder.fields.categorical:
        column = read_windows(windows, "train", [field])[field]
        codes = pc.list_flatten(column).combine_chunks().to_numpy()
        occurs = np.bincount(codes, minlength=encoder.sizes[field])[FIRST_VALUE:] > 0
        if not occurs.all():
            absent.append(f"{int(np.sum(~occurs)):,} of {field}")
    return LeakCheck(
        name="The vocabularies were fitted on train alone",
        holds=not absent,
        detail=f"values that train lacks: {', '.join(absent) or 'none'}",
    )


def event_vocabulary(windows: Path, encoder: EncoderFile) -> LeakCheck:
    """Check that no purchase is encoded. Without a vocabulary the models do not see event types.

    Where windows have histories, which hold earlier purchases, no own step of a session may be one.
    """
    names = [str(name) for name in encoder.vocabularies.get("event", [])]
    purchase = "transaction" in names
    if encoder.history:
        code, wrong, steps = FIRST_VALUE + names.index("transaction") if purchase else -1, 0, 0
        for split in SPLITS:
            own = own_lists(read_windows(windows, split, ["event", HISTORY]), "event").flatten()
            wrong, steps = wrong + int(np.sum(own.to_numpy() == code)), steps + len(own)
        return LeakCheck(
            name="No purchase is in a window, but for those of earlier sessions",
            holds=wrong == 0,
            detail=exceptions(wrong, steps, "step"),
        )
    return LeakCheck(
        name="No purchase is in a window",
        holds=not purchase,
        detail="the vocabulary has one" if purchase else "the vocabulary has none",
    )


def normalisation(windows: Path, encoder: EncoderFile) -> LeakCheck:
    """Check that train's numbers have mean 0 and deviation 1, as if fitted on train alone."""
    holds, details = True, []
    for field in encoder.fields.numeric:
        column = read_windows(windows, "train", [field])[field]
        values = pc.drop_null(pc.list_flatten(column)).to_numpy()
        if len(values):
            mean, deviation = float(values.mean(dtype=float)), float(values.std(dtype=float))
            # The encoder's sums are rounded, which counts where the numbers hardly differ.
            fitted = encoder.numeric[field]
            rounding = (1 + 2 * abs(fitted.mean)) / SUM_SCALE / fitted.deviation**2
            # A field whose values are all equal has deviation 0.
            holds &= abs(mean) <= TOLERANCE + rounding
            holds &= deviation <= TOLERANCE or abs(deviation - 1) <= TOLERANCE + rounding
            details.append(f"{field}: mean {round(mean, 3) + 0.0:.3f}, standard deviation {deviation:.3f}")
    return LeakCheck(
        name="Numbers were normalised on train alone",
        holds=holds,
        detail="; ".join(details) or "there are none",
    )


def left_out_fields(windows: Path, left_out: list[str]) -> Iterator[LeakCheck]:
    """Check that no window has a field that the settings leave out."""
    if not left_out:
        return
    present = [
        f"{field} in {split}"
        for split in FOLDERS
        for field in left_out
        if any(field in pq.read_schema(file).names for file in WindowsManifest.parts(windows, split))
    ]
    yield LeakCheck(
        name="No field that is left out is in a window",
        holds=not present,
        detail=", ".join(present) or f"in no window: {', '.join(left_out)}",
    )
