"""Watches a model in use: once the outcome is known, how well did its scores do, and has the shop changed?"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.serving import Drift, MonitorReport, PeriodMetrics, Reference
from rabbithole.errors import UserError
from rabbithole.evaluation.campaign import lift_table
from rabbithole.evaluation.evaluate import probabilities, ranking
from rabbithole.io.scratch import scratch_folder
from rabbithole.serving.drift import MOVED, bin_counts, ranked
from rabbithole.serving.folder import REFERENCE, ModelFolder
from rabbithole.serving.predict import ScoredLog, score_log
from rabbithole.serving.summary import summarise
from rabbithole.serving.tables import read_scores
from rabbithole.specs.data import Source, SparkOptions
from rabbithole.windows.arrays import read_windows
from rabbithole.windows.fields import UNSEEN

LIFT_TOP = 0.05
FEW_BUYERS = 30
"""With fewer buyers no verdict is given."""


@dataclass(frozen=True)
class Outcomes:
    """Sessions with score and outcome, in columns. day: of their beginning, in the shop's time zone."""

    session_id: pa.Array
    day: NDArray[np.str_]
    score: NDArray[np.float64]
    buyer: NDArray[np.int8]
    unseen_items: NDArray[np.float64]


def monitor(
    folder: ModelFolder,
    later: Source,
    *,
    scores: list[Path],
    spark: SparkOptions,
    max_rejected: float | None = None,
) -> MonitorReport:
    """Compare scores with what the sessions led to, and the values in the log with those of training.

    later: a log that holds the sessions and their purchases; scores: files of earlier predictions; none: the
    sessions of the log that have ended are scored now, on their events before a purchase; max_rejected: as
    for `predict`.
    """
    known = Reference.read(folder.path / REFERENCE)
    with scratch_folder("monitor") as scratch:
        log = score_log(folder, later, scratch, spark=spark, max_rejected=max_rejected)
        outcomes = _outcomes(folder, log)
        counts = _field_counts(folder, known, log.encoded)
        warnings = summarise(folder, log.events, log.counts).warnings
    if log.counts.sessions == 0:
        raise UserError(
            "No session of the later log can be scored: none has enough events before its purchase."
        )
    if len(outcomes.score) == 0:
        raise UserError(
            "No session of the later log has ended before it does: give a log that goes on longer."
        )
    unmatched = 0
    if scores:
        outcomes, unmatched = _with_earlier_scores(outcomes, scores)
    if len(outcomes.score) == 0:
        raise UserError("No scored session is in the later log: do both come from the same shop and time?")
    total = _period("all", outcomes, np.ones(len(outcomes.score), bool))
    days = [_period(str(day), outcomes, outcomes.day == day) for day in np.unique(outcomes.day)]
    drift = ranked(known, counts, bin_counts(known.score, outcomes.score))
    verdict, reasons = verdict_of(folder, total, drift, known.unseen_items)
    return MonitorReport(
        dataset=folder.manifest.dataset,
        model=f"{folder.manifest.model}, seed {folder.manifest.seed}",
        digest=folder.manifest.digest,
        promised=folder.manifest.test,
        verdict=verdict,
        reasons=reasons,
        total=total,
        days=days,
        drift=drift,
        unmatched=unmatched,
        warnings=warnings,
    )


def verdict_of(
    folder: ModelFolder, total: PeriodMetrics, drift: list[Drift], unseen_before: float
) -> tuple[str, list[str]]:
    """Return the verdict and its reasons."""
    promised = folder.manifest.test.auc
    # A later log is in other months and weeks by its nature.
    moved = [entry for entry in drift if entry.index > MOVED and entry.name not in ("month", "week")]
    reasons = [f"{entry.name} has moved far (stability index {entry.index:.2f})." for entry in moved]
    if total.unseen_items > unseen_before + 0.2:
        reasons.append(f"{total.unseen_items:.0%} of the items are unknown to the model.")
    if total.auc is None or total.buyers < FEW_BUYERS:
        others = total.sessions - total.buyers
        few = (
            f"There are {total.buyers} buyers; a verdict needs {FEW_BUYERS}."
            if total.buyers < FEW_BUYERS
            else f"Sessions without a purchase: {others} of {total.sessions}. Does the log hold all sessions?"
        )
        return "unclear", [few, *reasons]
    if promised is not None and total.auc.high < promised.low:
        interval = f"{promised.low:.3f} to {promised.high:.3f}"
        text = f"The AUC is {total.auc.value:.3f}, below the {interval} of its test."
        return "retrain", [text, *reasons]
    off = total.slope is not None and not total.slope.low <= 1 <= total.slope.high
    spread = 1.96 * (total.share * (1 - total.share) / total.sessions) ** 0.5
    biased = abs(total.expected - total.share) > max(spread, 0.1 * total.share)
    if off or biased:
        text = f"Scores say {total.expected:.2%} buy, {total.share:.2%} did"
        text += f"; calibration slope {total.slope.value:.2f}." if total.slope else "."
        return "recalibrate", [text, *reasons]
    return "fine", ["Ranking and calibration are as promised.", *reasons]


def _outcomes(folder: ModelFolder, log: ScoredLog) -> Outcomes:
    """Return the ended sessions of a log with their scores."""
    zone = ZoneInfo(folder.manifest.timezone)
    columns: defaultdict[str, list[NDArray[np.generic]]] = defaultdict(list)
    ids: list[pa.Array] = []
    fields = folder.encoder.fitted.fields
    item = fields.code_column("item")
    for scored, encoded in zip(log.scored, log.encoded, strict=True):
        rows, windows = pq.read_table(scored), read_windows([encoded], fields)
        ended = pc.equal(rows["state"], "ended")
        kept = rows.filter(ended)
        unseen = np.zeros(len(windows))
        if item is not None:
            flags = (windows.codes[:, item] == UNSEEN).astype(float)
            unseen = np.add.reduceat(flags, windows.offsets[:-1]) / windows.lengths
        ids.append(kept["session_id"].combine_chunks())
        days = pc.strftime(pc.cast(kept["start"], pa.timestamp("us", zone.key)), format="%Y-%m-%d")
        columns["day"].append(np.array(days.to_pylist(), dtype=str))
        columns["score"].append(kept["probability"].to_numpy())
        columns["buyer"].append(kept["bought"].to_numpy(zero_copy_only=False).astype(np.int8))
        columns["unseen"].append(unseen[ended.to_numpy()])
    if not ids:
        return Outcomes(pa.array([], pa.string()), np.array([], str), *(np.empty(0),) * 3)  # type: ignore[arg-type]
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    return Outcomes(pa.concat_arrays(ids), joined["day"], joined["score"], joined["buyer"], joined["unseen"])


def _with_earlier_scores(outcomes: Outcomes, scores: list[Path]) -> tuple[Outcomes, int]:
    """Return the outcomes of sessions that were scored earlier, with these scores, and how many have none."""
    tables = [read_scores(path, ["session_id", "probability", "bought"]) for path in scores]
    earlier = pa.concat_tables(tables)
    # A session that had bought when it was scored says nothing about the prediction.
    earlier = earlier.filter(pc.invert(earlier["bought"]))
    place = pc.index_in(earlier["session_id"].combine_chunks(), value_set=outcomes.session_id)
    known = place.is_valid().to_numpy(zero_copy_only=False)
    rows = place.drop_null().to_numpy()
    return (
        Outcomes(
            outcomes.session_id.take(pa.array(rows)),
            outcomes.day[rows],
            earlier["probability"].to_numpy()[known],
            outcomes.buyer[rows],
            outcomes.unseen_items[rows],
        ),
        int((~known).sum()),
    )


def _field_counts(folder: ModelFolder, known: Reference, parts: list[Path]) -> dict[str, NDArray[np.int64]]:
    """Return how the values of each field fall into the bins of training."""
    fields = folder.encoder.fitted.fields
    counts: dict[str, NDArray[np.int64]] = {}
    for path in parts:
        windows = read_windows([path], fields)
        for name, values in _columns(windows.codes, windows.numbers, fields.categorical, fields.numeric):
            counted = bin_counts(known.fields[name], values)
            counts[name] = counts[name] + counted if name in counts else counted
    return counts


def _columns(
    codes: NDArray[np.int32],
    numbers: NDArray[np.float32],
    categorical: tuple[str, ...],
    numeric: tuple[str, ...],
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield from ((name, codes[:, column]) for column, name in enumerate(categorical))
    yield from ((name, numbers[:, column]) for column, name in enumerate(numeric))


def _period(day: str, outcomes: Outcomes, rows: NDArray[np.bool_]) -> PeriodMetrics:
    labels, scores = outcomes.buyer[rows], outcomes.score[rows]
    ranks, chances = ranking(labels, scores), probabilities(labels, scores)
    lift = next((row.lift for row in lift_table(labels, scores) if row.top == LIFT_TOP), None)
    return PeriodMetrics(
        day=day,
        sessions=ranks.sessions,
        buyers=ranks.buyers,
        share=float(labels.mean()),
        expected=float(scores.mean()),
        auc=ranks.auc,
        reason=ranks.reason,
        log_loss=chances.log_loss,
        brier=chances.brier,
        slope=chances.calibration.slope,
        lift=lift,
        unseen_items=float(outcomes.unseen_items[rows].mean()),
    )
