"""Cheap checks for leaks, made in every run: has anything of valid, of test or of the future reached train?

Each reads what the steps before wrote, and none shares code with them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.checks.time_checks import (
    Check,
    as_known_then,
    dwell_looks_back,
    ends_before_its_purchase,
    judged_at_the_cart,
    open_by_the_last_event,
    read_columns,
)
from rabbithole.io.atomic import read_json, write_json
from rabbithole.io.manifests import read_manifest
from rabbithole.io.parts import data_files
from rabbithole.sessions.splitting import SPLITS
from rabbithole.windows.fields import CATEGORICAL, FIELDS, FIRST_VALUE, MISSING, NUMERIC

CLOSE = 1e-3
"""How far from what they should be normalised numbers may lie."""


def check(*, events: Path, sessions: Path, windows: Path, output: Path) -> None:
    """Write checks.json: {"checks": [{"name", "holds", "found"}]}. Nothing is stopped: the report says it."""
    facts = {folder.name: read_manifest(folder) for folder in (events, sessions, windows)}
    table = read_columns(sessions, ["session_id", "visitor", "split", "buyer", "open", "start", "events"])
    found = [
        _each_session_once(table),
        _visitors_apart(table, facts["sessions"]["split_by"]),
        *_in_time_order(table, facts["sessions"]["split_by"]),
        _windows_are_the_sessions(table, windows, keep_open=facts["windows"]["keep_open"]),
        _vocabulary_of_train(windows),
        _normalised_on_train(windows),
        _no_purchase(windows),
        ends_before_its_purchase(events, sessions, facts["sessions"]["by"]),
        open_by_the_last_event(events, sessions, facts["sessions"]["open_minutes"]),
        *dwell_looks_back(sessions, windows, facts["windows"]["fields"]),
        *_nothing_left_out_is_told(windows, facts["windows"]["fields"]),
        *_long_enough(table, facts["sessions"]["minimum_events"]),
        *judged_at_the_cart(sessions, windows, facts["sessions"]["until"]),
        *as_known_then(events, sessions, facts["sessions"]["cost"]),
    ]
    write_json(output, {"checks": [asdict(one) for one in found]})


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
        theirs = read_columns(windows / split, ["session_id", "buyer"]).sort_by("session_id")
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
        codes = pc.list_flatten(read_columns(windows / "train", [field])[field]).combine_chunks().to_numpy()
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
        values = pc.drop_null(pc.list_flatten(read_columns(windows / "train", [field])[field])).to_numpy()
        if len(values):
            mean, deviation = float(values.mean(dtype=float)), float(values.std(dtype=float))
            off |= abs(mean) > CLOSE or (deviation > CLOSE and abs(deviation - 1) > CLOSE)
            told.append(f"{field}: mean {abs(mean):.3f} from 0, deviation {deviation:.3f}")
    return Check("Numbers were normalised on train alone", not off, "; ".join(told) or "there are none")


def _nothing_left_out_is_told(windows: Path, fields: list[str]) -> Iterator[Check]:
    told = []
    left_out = [field for field in FIELDS if field not in fields]
    for field in left_out:
        for folder in sorted(path for path in windows.iterdir() if data_files(path)):
            values = pc.list_flatten(read_columns(folder, [field])[field])
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
