"""Sessions to windows: fit the encoder on train, write the last steps of each session as codes and numbers.

As in `sessions`, a Spark task turns one part into one part of each split; there is no shuffle.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.formats.retailrocket import ROOTS
from rabbithole.io.atomic import atomic_write, remove
from rabbithole.io.manifests import read_manifest, write_manifest
from rabbithole.io.parts import PartWriter, manifest_path, part_files, read_part
from rabbithole.sessions.build import PRICES
from rabbithole.sessions.splitting import SPLITS
from rabbithole.spark.session import SparkOptions, spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed
from rabbithole.windows.encoder import COUNTS, Encoder, VocabularyCounter, fit_encoder
from rabbithole.windows.fields import CATEGORICAL, FIELDS, MISSING, NUMERIC, UNSEEN
from rabbithole.windows.steps import COLUMNS

SCHEMA = pa.schema(
    [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
    + [(name, pa.list_(pa.int32())) for name in CATEGORICAL]
    + [(name, pa.list_(pa.float32())) for name in NUMERIC]
)

BEGINNINGS = ("valid", "test")
"""Splits of which long sessions are also judged on their first steps, as still running."""

FOLDERS = (*SPLITS, *(f"{split}_beginnings" for split in BEGINNINGS))

READ = ["session_id", "split", "buyer", "open", "events", *COLUMNS]


def build_windows(
    *,
    sessions: Path,
    output: Path,
    length: int,
    minimum_item_count: int,
    timezone: str,
    keep_open: bool,
    spark: SparkOptions,
    fields: Sequence[str] = FIELDS,
) -> None:
    """Write windows of at most `length` steps, a folder a split, the encoder, and the manifest.

    `fields`: what models may see of a step; any other is missing at every step, here and wherever the encoder
    is used again. `keep_open`: whether sessions open at the end of the log are windows too. Where costs come
    from purchases, their table is carried along (prices.parquet) for scoring. Raises `UserError` when a split
    holds no session.
    """
    parts = part_files(sessions)
    events_in = read_manifest(sessions)["events"]["kept"]
    remove(manifest_path(output))
    with atomic_write(output) as folder:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        with spark_session(spark, "windows") as session:
            count = VocabularyCounter(
                parts, length=length, timezone=timezone, keep_open=keep_open, fields=fields
            )
            counts = map_indexed(session, len(parts), count, COUNTS)
            encoder = fit_encoder(
                counts,
                length=length,
                minimum_item_count=minimum_item_count,
                timezone=timezone,
                fields=fields,
                tree=_tree(sessions),
            )
            work = Encode(parts, folder, encoder, keep_open=keep_open)
            done = map_indexed(session, len(parts), work, REPORT_SCHEMA)
        facts = [json.loads(row) for row in done["facts"].to_pylist()]
        splits = {split: _total(facts, split) for split in SPLITS}
        for split, total in splits.items():
            if total["rows"] == 0:
                raise UserError(_why_empty(split))
        events = _events(facts, splits, events_in)
        encoder.save(folder)
        if (sessions / PRICES).exists():
            shutil.copyfile(sessions / PRICES, folder / "prices.parquet")
    write_manifest(
        output,
        rows=sum(total["rows"] for total in splits.values()),
        splits=splits,
        open=sum(part["open"] for part in facts),
        events=events,
        keep_open=keep_open,
        sizes=encoder.sizes,
        rare_items=len(encoder.rare),
        length=length,
        minimum_item_count=minimum_item_count,
        timezone=timezone,
        fields=list(fields),
        schema={field.name: str(field.type) for field in SCHEMA},
    )


def _tree(sessions: Path) -> dict[str, str]:
    """Return the root above each category, where the log has a tree of them."""
    if not (sessions / ROOTS).exists():
        return {}
    found = pq.read_table(sessions / ROOTS)
    return dict(zip(found["category"].to_pylist(), found["root"].to_pylist(), strict=True))


class Encode:
    """From a part's index to its windows, written, and one row of facts."""

    def __init__(self, parts: Sequence[Path], folder: Path, encoder: Encoder, *, keep_open: bool) -> None:
        self.parts = parts
        self.folder = folder
        self.encoder = encoder
        self.keep_open = keep_open

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Write the part of each split and yield what was found, as JSON."""
        facts: dict[str, Any] = {
            **dict.fromkeys(("open", "events_in", "events_open", "events_beyond"), 0),
            "splits": {split: _nothing() for split in SPLITS},
        }
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(PartWriter(self.folder / name, index, SCHEMA)) for name in FOLDERS
            }
            for batch in read_part(self.parts[index], READ):
                sessions = pa.Table.from_batches([batch])
                facts["events_in"] += _sum(sessions["events"])
                if not self.keep_open:
                    facts["open"] += _sum(sessions["open"])
                    facts["events_open"] += _sum(sessions.filter(sessions["open"])["events"])
                    sessions = sessions.filter(pc.invert(sessions["open"]))
                facts["events_beyond"] += _sum(
                    pc.max_element_wise(pc.subtract(sessions["events"], self.encoder.length), 0)
                )
                for split in SPLITS:
                    chosen = sessions.filter(pc.equal(sessions["split"], split)).combine_chunks()
                    if len(chosen):
                        self._write(split, chosen, writers, facts["splits"][split])
        yield pa.record_batch({"facts": [json.dumps(facts)]})

    def _write(
        self, split: str, sessions: pa.Table, writers: dict[str, PartWriter], counts: dict[str, Any]
    ) -> None:
        windows = self._windows(sessions, self.encoder.last(sessions))
        writers[split].write(windows)
        long = sessions.filter(pc.greater(sessions["events"], self.encoder.length)).combine_chunks()
        if split in BEGINNINGS and len(long):
            writers[f"{split}_beginnings"].write(self._windows(long, self.encoder.first(long)))
        _count(counts, windows, len(long))

    def _windows(self, sessions: pa.Table, steps: pa.Table) -> pa.Table:
        labels = {name: sessions[name] for name in ("session_id", "buyer", "events")}
        return pa.table(labels | {name: steps[name] for name in steps.column_names})


def _nothing() -> dict[str, Any]:
    """Return a split's counts before its first session."""
    counts: dict[str, Any] = {"rows": 0, "buyers": 0, "steps": 0, "cut_short": 0}
    return counts | {kind: dict.fromkeys(CATEGORICAL, 0) for kind in ("missing", "unseen")}


def _sum(values: pa.ChunkedArray) -> int:
    total: int = pc.sum(values, min_count=0).as_py()
    return total


def _count(counts: dict[str, Any], windows: pa.Table, cut_short: int) -> None:
    counts["rows"] += len(windows)
    counts["buyers"] += pc.sum(windows["buyer"].cast(pa.int64())).as_py()
    counts["cut_short"] += cut_short
    for name in CATEGORICAL:
        codes = pc.list_flatten(windows[name]).combine_chunks().to_numpy()
        counts["missing"][name] += int(np.sum(codes == MISSING))
        counts["unseen"][name] += int(np.sum(codes == UNSEEN))
    counts["steps"] += len(codes)


def _total(facts: list[dict[str, Any]], split: str) -> dict[str, Any]:
    """Add up the parts' counts of a split."""
    parts = [part["splits"][split] for part in facts]
    total = {name: sum(part[name] for part in parts) for name in ("rows", "buyers", "steps", "cut_short")}
    return total | {
        kind: {name: sum(part[kind][name] for part in parts) for name in CATEGORICAL}
        for kind in ("missing", "unseen")
    }


def _events(facts: list[dict[str, Any]], splits: dict[str, dict[str, Any]], events_in: int) -> dict[str, int]:
    """Return where the events went: kept as steps, in sessions left out as open, before the last `length`."""
    sums = {name: sum(part[f"events_{name}"] for part in facts) for name in ("in", "open", "beyond")}
    sums["kept"] = sum(total["steps"] for total in splits.values())
    assert sums["in"] == events_in == sums["kept"] + sums["open"] + sums["beyond"], sums
    return sums


def _why_empty(split: str) -> str:
    return (
        f"The {split} split holds no session that is not still open at the end of the log. Take a longer "
        "log, another split, a smaller sessions.open_horizon_hours (or gap), or sessions.keep_open: true."
    )
