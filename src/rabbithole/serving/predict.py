"""Scores a raw log with a packaged model: Spark reads and encodes it, the model scores it part by part."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.data import EventsManifest
from rabbithole.artifacts.serving import AudienceCounts, FieldShares, ModelManifest, PredictionSummary
from rabbithole.ingest.build import build_events
from rabbithole.io.asof import AsOfFile
from rabbithole.io.scratch import scratch_folder
from rabbithole.serving.audience import CONTACT, HOLD_OUT, Audience, audience_column
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.serving.scoring import Scorer
from rabbithole.serving.sessions import PredictionCounts, PredictionTask, prediction_plan
from rabbithole.serving.tables import TableWriter
from rabbithole.sessions.build import further_fields
from rabbithole.sessions.first_pass import first_pass
from rabbithole.spark.session import spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed
from rabbithole.specs.data import Source, SparkOptions
from rabbithole.specs.serving import PredictSpec
from rabbithole.windows.arrays import read_windows
from rabbithole.windows.fields import MISSING, UNSEEN

PREDICTION_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("start", pa.timestamp("us", "UTC")),
        ("end", pa.timestamp("us", "UTC")),
        ("events", pa.int32()),
        ("state", pa.string()),
        ("bought", pa.bool_()),
        ("probability", pa.float64()),
        ("rank", pa.int64()),
        ("percentile", pa.float64()),
        ("unseen", pa.float64()),
        ("audience", pa.string()),
        ("model", pa.string()),
    ]
)
"""One row per session. state: `ended` (does it hold a purchase?) or `running` (will it still buy?); bought:
whether the log shows a purchase, which the score never uses; rank, percentile: against the model's own test
scores; unseen: share of its values that are unknown to the model; audience: `contact`, `hold_out` or null;
model: the model's digest."""

UNUSUAL_SHARE = 0.2
"""Warn about a field whose share of missing or unknown values is by so much above that of test."""


def predict_log(spec: PredictSpec, *, model: Path, spark: SparkOptions, output: Path) -> None:
    """Score a further log with a packaged model, as a step of the workflow; see `predict`."""
    predict(load_folder(model), spec.source, spark=spark, output=output)


def predict(
    folder: ModelFolder,
    source: Source,
    *,
    spark: SparkOptions,
    output: Path | None,
    audience: Audience | None = None,
) -> PredictionSummary:
    """Score the sessions of a raw log and write them, Parquet or CSV by the name; None: standard output.

    source: as in `EventsSpec`. The log is read as the model's own was. Sessions are scored on their events
    before the first purchase, as in test. Raises `UserError` when the log cannot be read as the model needs.
    """
    with scratch_folder("predict") as scratch:
        encoded = encode_log(folder, source, scratch, spark=spark)
        scored = scratch / "scored.parquet"
        with pq.ParquetWriter(scored, PREDICTION_SCHEMA, compression="zstd") as writer:
            for rows in score_parts(folder, encoded.parts):
                writer.write_table(rows)
        summary = _summary(folder.manifest, encoded.log, encoded.counts)
        chosen = None if audience is None else audience_column(audience, scored)
        if chosen is not None:
            summary = summary.model_copy(update={"audience": _audience_counts(chosen)})
        _write(scored, output, summary, chosen)
    return summary


@dataclass(frozen=True)
class EncodedLog:
    """A raw log as sessions that a model scores. parts: Parquet files; log: the manifest of its events."""

    parts: list[Path]
    log: EventsManifest
    counts: PredictionCounts


def encode_log(folder: ModelFolder, source: Source, scratch: Path, *, spark: SparkOptions) -> EncodedLog:
    """Read a raw log as the model's own was read, and encode its sessions, in Spark.

    scratch: an existing folder for events and encoded sessions, which driver and workers share.
    """
    manifest, events = folder.manifest, scratch / "events"
    spec = manifest.events.model_copy(update={"source": source})
    with spark_session(spark, "predict") as session:
        build_events(
            spec, output=events, rejected=scratch / "rejected", spark=spark, known=folder.histories()
        )
        log = EventsManifest.of(events)
        parts, known = EventsManifest.parts(events), folder.price_file()
        open_from = log.last_microseconds - round(manifest.horizon_minutes * 60e6)
        plan = prediction_plan(
            manifest.sessions, open_from=open_from, prices=None, further=further_fields(log, parts)
        )
        if known is not None:
            prices = scratch / "prices.parquet"
            first_pass(session, parts, plan.spec, spark, prices=prices, known=known)
            plan = replace(plan, prices=AsOfFile(prices, spark.held_bytes))
        encoded = scratch / "encoded"
        encoded.mkdir()
        task = PredictionTask(parts, encoded, plan, folder.encoder)
        counts = PredictionCounts.total_of_reports(map_indexed(session, len(parts), task, REPORT_SCHEMA))
    return EncodedLog([encoded / name for name in sorted(counts.parts)], log, counts)


def score_parts(folder: ModelFolder, parts: list[Path]) -> Iterator[pa.Table]:
    """Yield the scored sessions of each part (`PREDICTION_SCHEMA`), without an audience."""
    scorer = Scorer.load(folder)
    for path in parts:
        yield scored_rows(folder, scorer, path)


def scored_rows(folder: ModelFolder, scorer: Scorer, path: Path) -> pa.Table:
    """Return the scored sessions of one encoded part, sorted by session id."""
    windows = read_windows([path], folder.encoder.fitted.fields)
    labels = pq.read_table(path, columns=["session_id", "visitor", "start", "end", "open"])
    labels = labels.take(pc.array_sort_indices(labels["session_id"].combine_chunks()))
    running = labels["open"].to_numpy(zero_copy_only=False).astype(bool)
    probability = scorer.probabilities(windows, running)
    percentile, rank = scorer.percentiles(probability, windows.events, running)
    rows = len(windows)
    columns = {
        "session_id": windows.session_id,
        "visitor": labels["visitor"],
        "start": labels["start"],
        "end": labels["end"],
        "events": pa.array(windows.events),
        "state": pa.array(np.where(running, "running", "ended")),
        "bought": pa.array(windows.buyer.astype(bool)),
        "probability": pa.array(probability),
        "rank": pa.array(rank),
        "percentile": pa.array(percentile, from_pandas=True),
        "unseen": pa.array(unseen_shares(windows.codes, windows.offsets)),
        "audience": pa.nulls(rows, pa.string()),
        "model": pa.repeat(folder.manifest.digest, rows),
    }
    return pa.table(columns).cast(PREDICTION_SCHEMA)


def unseen_shares(codes: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each session's values that are unknown to the model, float64 [n].

    codes: int32 [total, fields]; values that the log does not hold do not count.
    """
    known = (codes != MISSING).sum(axis=1)
    unseen = (codes == UNSEEN).sum(axis=1)
    totals = np.add.reduceat(known, offsets[:-1])
    return np.add.reduceat(unseen, offsets[:-1]) / np.maximum(totals, 1)


def _audience_counts(audience: pa.Array) -> AudienceCounts:
    counts = Counter(audience.drop_null().to_pylist())
    return AudienceCounts(contact=counts[CONTACT], hold_out=counts[HOLD_OUT])


def _write(scored: Path, output: Path | None, summary: PredictionSummary, audience: pa.Array | None) -> None:
    """Write the scored sessions where the user wants them, with the audience, and the summary beside."""
    place, start = PREDICTION_SCHEMA.get_field_index("audience"), 0
    with TableWriter(output, PREDICTION_SCHEMA) as writer, pq.ParquetFile(scored) as file:
        for batch in file.iter_batches():
            rows = pa.Table.from_batches([batch])
            if audience is not None:
                rows = rows.set_column(place, "audience", audience.slice(start, len(rows)))
            writer.write(rows)
            start += len(rows)
    if output is not None:
        summary.write(output.with_name(output.name + ".json"))


def _summary(manifest: ModelManifest, log: EventsManifest, counts: PredictionCounts) -> PredictionSummary:
    shares = {
        field: FieldShares(
            missing=counts.missing.get(field, 0) / max(counts.steps, 1),
            unseen=counts.unseen.get(field, 0) / max(counts.steps, 1),
        )
        for field in manifest.usual
    }
    return PredictionSummary(
        model=f"{manifest.model}, seed {manifest.seed}",
        dataset=manifest.dataset,
        digest=manifest.digest,
        lines=log.lines.lines,
        rejected=log.rejected,
        duplicates=log.lines.duplicates,
        left_out=log.lines.left_out,
        events=log.rows,
        sessions=counts.sessions,
        running=counts.running,
        bought=counts.bought,
        not_scored=counts.not_scored,
        shares=shares,
        warnings=_warnings(manifest, log, shares),
    )


def _warnings(manifest: ModelManifest, log: EventsManifest, shares: dict[str, FieldShares]) -> list[str]:
    """Return a sentence for everything in the log that the model did not meet in training."""
    warnings = []
    for field, share in shares.items():
        usual = manifest.usual[field]
        for kind, now, before in (
            ("missing", share.missing, usual.missing),
            ("unknown to the model", share.unseen, usual.unseen),
        ):
            if now > before + UNUSUAL_SHARE:
                warnings.append(f"{field}: {now:.0%} of the values are {kind} (in its test: {before:.0%}).")
    if log.rejected:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in log.rejected_reasons.items())
        warnings.append(f"{log.rejected:,} of {log.lines.lines:,} lines can't be read: {reasons}.")
    if log.files_missing:
        named = ", ".join(log.files_missing)
        warnings.append(f"The log has no {named} file; the model's own tables were used where it has them.")
    return warnings
