"""Changes a model in use: fits its calibration again, or promotes another model after a paired test."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.evaluation import AucDifference
from rabbithole.artifacts.training import Calibration, CalibrationLine, CheckpointFiles
from rabbithole.errors import UserError
from rabbithole.evaluation.calibration import calibration_regression
from rabbithole.evaluation.delong import paired_test, placements
from rabbithole.io.atomic import atomic_write, copy_folder, sha256_of
from rabbithole.serving.folder import CHECKPOINT, MANIFEST, ModelFolder, load_folder
from rabbithole.serving.package import write_manifest
from rabbithole.serving.tables import read_scores, require_replaceable
from rabbithole.training.checkpoints import read_description

MIN_BUYERS = 30
"""Fewer buyers determine slope and intercept too poorly."""

SIGNIFICANT = 0.05


def recalibrate(folder: ModelFolder, scored: Path, output: Path) -> tuple[float, float]:
    """Write the model with a calibration fitted on outcomes; return slope and intercept of the change.

    scored: a prediction of ended sessions with their outcome (`rabbithole predict` on a log with purchases).
    Only the calibration changes, so the ranking of sessions stays. Raises `UserError` for too few buyers.
    """
    require_replaceable(output, MANIFEST)
    rows = read_scores(scored, ["state", "bought", "probability", "model"])
    if set(pc.unique(rows["model"]).to_pylist()) != {folder.manifest.digest}:
        raise UserError(f"{scored} holds scores of another model than {folder.path}: score the log with it.")
    rows = rows.filter(pc.equal(rows["state"], "ended"))
    buyers = rows["bought"].to_numpy(zero_copy_only=False).astype(np.int8)
    if not MIN_BUYERS <= buyers.sum() <= len(buyers) - MIN_BUYERS:
        raise UserError(
            f"{scored} has {buyers.sum()} buyers in {len(buyers):,} ended sessions: a calibration needs "
            f"{MIN_BUYERS} buyers and as many others."
        )
    fit = calibration_regression(buyers, rows["probability"].to_numpy())
    if fit.slope is None or fit.intercept is None or fit.slope.value <= 0:
        raise UserError(f"{scored}: the outcomes do not follow the scores at all. Train the model again.")
    slope, intercept = fit.slope.value, fit.intercept.value
    description = read_description(folder.checkpoint)
    assert description.calibration is not None
    lines = {
        name: CalibrationLine(slope=slope * line.slope, intercept=slope * line.intercept + intercept)
        for name, line in (
            ("ended", description.calibration.ended),
            ("running", description.calibration.running),
        )
    }
    with atomic_write(output) as temporary:
        copy_folder(folder.path, temporary)
        new = description.model_copy(update={"calibration": Calibration(**lines)})
        new.write(temporary / CHECKPOINT / "model.json")
        CheckpointFiles.seal(temporary / CHECKPOINT)
        files = {name: sha256_of(temporary / name) for name in folder.manifest.files}
        write_manifest(folder.manifest, temporary, files)
    return slope, intercept


def promote(candidate: Path, present: Path, scores: dict[str, Path]) -> AucDifference:
    """Replace the model in use by a candidate unless it is significantly worse; return the paired test.

    scores: predictions of both (`candidate`, `present`) for the newest log with its purchases. Raises
    `UserError` when the candidate is worse, or when the outcome is not known for enough sessions.
    """
    load_folder(candidate)
    first, second, buyers = _common(scores["candidate"], scores["present"])
    if not MIN_BUYERS <= buyers.sum() <= len(buyers) - MIN_BUYERS:
        raise UserError(f"The newest log has {buyers.sum()} buyers: a comparison needs {MIN_BUYERS}.")
    test = paired_test(placements(buyers, first), placements(buyers, second))
    if test.difference < 0 and test.p < SIGNIFICANT:
        raise UserError(
            f"{candidate} is worse than {present} on the newest sessions: its AUC is lower by "
            f"{-test.difference:.4f} ({-test.high:.4f} to {-test.low:.4f}). The model in use stays."
        )
    with atomic_write(present) as temporary:
        copy_folder(candidate, temporary)
    return test


def comparison(test: AucDifference) -> str:
    """Return the result of the paired test of a candidate and the model in use as a sentence."""
    if test.difference == 0:
        return "On the newest sessions, the AUC of both models is the same."
    size = f"{'higher' if test.difference > 0 else 'lower'} by {abs(test.difference):.4f}"
    chance = "more than chance explains" if test.p < SIGNIFICANT else "which may be chance"
    return (
        f"On the newest sessions, the AUC of the new model is {size} (95 % interval of the difference: "
        f"{test.low:+.4f} to {test.high:+.4f}), {chance}."
    )


def _common(first: Path, second: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """Return the scores of ended sessions in both files, and whether they bought."""
    columns = ["session_id", "state", "bought", "probability"]
    tables = [pq.read_table(path, columns=columns) for path in (first, second)]
    ended, other = (table.filter(pc.equal(table["state"], "ended")) for table in tables)
    place = pc.index_in(ended["session_id"].combine_chunks(), value_set=other["session_id"].combine_chunks())
    both = place.is_valid()
    ended, other = ended.filter(both), other.take(place.drop_null())
    bought = ended["bought"].to_numpy(zero_copy_only=False).astype(np.int8)
    return ended["probability"].to_numpy(), other["probability"].to_numpy(), bought
