"""Scores a raw log with a packaged model: Spark reads and encodes it, the model scores it part by part."""

import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EventsManifest
from rabbithole.artifacts.serving import AudienceCounts, PredictionSummary
from rabbithole.ingest.build import build_events
from rabbithole.io.asof import AsOfFile
from rabbithole.io.atomic import removed_on_error
from rabbithole.io.scratch import scratch_folder
from rabbithole.serving.audience import CONTACT, HOLD_OUT, Audience, audience_column
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.serving.scored_parts import PREDICTION_SCHEMA, score_parts
from rabbithole.serving.sessions import PredictionCounts, PredictionTask, prediction_plan
from rabbithole.serving.summary import summarise
from rabbithole.serving.tables import TableWriter
from rabbithole.sessions.build import further_fields
from rabbithole.sessions.event_tables import map_sessions
from rabbithole.sessions.first_pass import first_pass
from rabbithole.spark.session import spark_session
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.specs.data import Source, SparkOptions
from rabbithole.specs.serving import PredictSpec

LOGGER = logging.getLogger("rabbithole")


def predict_log(spec: PredictSpec, *, model: Path, spark: SparkOptions, output: Path) -> None:
    """Score a further log with a packaged model, as a step of the workflow; see `predict`."""
    folder = load_folder(model)
    summary = predict(folder, spec.source, spark=spark, output=output, max_rejected=spec.max_rejected)
    for warning in summary.warnings:
        LOGGER.warning("Warning: %s", warning)


def predict(
    folder: ModelFolder,
    source: Source,
    *,
    spark: SparkOptions,
    output: Path | None,
    audience: Audience | None = None,
    max_rejected: float | None = None,
) -> PredictionSummary:
    """Score the sessions of a raw log and write them, Parquet or CSV by the name; None: standard output.

    source, max_rejected: as in `EventsSpec`, None for the share that the model's own log was allowed. The log
    is read as that one was, but may lack columns. Sessions are scored on their events before the first
    purchase, as in test. Raises `UserError` when the log cannot be read as the model needs.
    """
    # First of all, as it refuses some names.
    writer = TableWriter(output, PREDICTION_SCHEMA)
    with scratch_folder("predict") as scratch:
        log = score_log(folder, source, scratch, spark=spark, max_rejected=max_rejected)
        summary = summarise(folder, log.events, log.counts)
        chosen = None if audience is None else audience_column(audience, log.scored)
        if chosen is not None:
            summary = summary.model_copy(update={"audience": _audience_counts(chosen)})
        _write(log.scored, writer, summary, chosen)
    return summary


@dataclass(frozen=True)
class ScoredLog:
    """A raw log as sessions with scores, in Parquet files.

    encoded: parts of encoded sessions; scored: their rows of `PREDICTION_SCHEMA`, in the same order; events:
    the manifest of its events.
    """

    encoded: list[Path]
    scored: list[Path]
    events: EventsManifest
    counts: PredictionCounts


def score_log(
    folder: ModelFolder,
    source: Source,
    scratch: Path,
    *,
    spark: SparkOptions,
    max_rejected: float | None = None,
) -> ScoredLog:
    """Read a raw log as the model's own was read, then encode and score its sessions, in Spark.

    scratch: an existing folder for events and sessions, which driver and workers share; max_rejected: as for
    `predict`.
    """
    began = time.perf_counter()
    manifest, events = folder.manifest, scratch / "events"
    allowed = {} if max_rejected is None else {"max_rejected": max_rejected}
    spec = manifest.events.model_copy(update={"source": source} | allowed)
    with spark_session(spark, "predict") as session:
        build_events(
            spec,
            output=events,
            rejected=scratch / "rejected",
            spark=spark,
            known=folder.histories(),
            lenient=True,
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
            plan = replace(plan, prices=AsOfFile(prices))
        encoded, scored = scratch / "encoded", scratch / "scored"
        encoded.mkdir()
        scored.mkdir()
        task = PredictionTask(encoded, plan, folder.encoder)
        with watch_tasks(session, Stage("building sessions")):
            reports = map_sessions(session, parts, plan, spark, task)
        counts = PredictionCounts.total_of_reports(reports)
        read = time.perf_counter()
        LOGGER.info("Read %s events in %.1f s.", f"{log.rows:,}", read - began)
        sessions = [encoded / name for name in sorted(counts.parts)]
        rows = score_parts(session, folder, sessions, scored)
        LOGGER.info("Scored %s sessions in %.1f s.", f"{counts.sessions:,}", time.perf_counter() - read)
    return ScoredLog(sessions, rows, log, counts)


def _audience_counts(audience: pa.Array) -> AudienceCounts:
    counts = Counter(audience.drop_null().to_pylist())
    return AudienceCounts(contact=counts[CONTACT], hold_out=counts[HOLD_OUT])


def _write(
    scored: list[Path], output: TableWriter, summary: PredictionSummary, audience: pa.Array | None
) -> None:
    """Write the scored sessions where the user wants them, with the audience, and the summary beside."""
    place, start = PREDICTION_SCHEMA.get_field_index("audience"), 0
    with output as writer:
        for path in scored:
            rows = pq.read_table(path)
            if audience is not None:
                rows = rows.set_column(place, "audience", audience.slice(start, len(rows)))
            writer.write(rows)
            start += len(rows)
    if output.path is not None:
        with removed_on_error(output.path):
            summary.write(output.path.with_name(output.path.name + ".json"))
