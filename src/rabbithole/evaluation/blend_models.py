"""Combines the trained models of a data set: fits their combination on valid, and keeps copies of them."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from rabbithole.artifacts.training import CheckpointFiles, EpochMetrics, History, ModelDescription
from rabbithole.errors import UserError
from rabbithole.evaluation.score_sessions import MEMBERS, load_model
from rabbithole.io.atomic import atomic_write, copy_folder
from rabbithole.models.registry import Combination, model_code
from rabbithole.specs.training import BlendSpec
from rabbithole.training.checkpoints import read_description, write_description
from rabbithole.training.purchase import calibrate, fit_calibration, running_steps
from rabbithole.windows.arrays import has_both_classes, read_encoding, read_split

LOGGER = logging.getLogger("rabbithole")


def blend(
    spec: BlendSpec, *, members: Mapping[str, Path], windows: Path, output: Path, history: Path
) -> None:
    """Combine trained models; write the combination to the folder `output`, and its history.

    members: checkpoints by model. Their copies are in `output`, which needs nothing else to score. Only the
    `seconds` of the history depend on more than the arguments. Raises `UserError` for a member that was
    trained on other windows, or for the next event.
    """
    began = time.perf_counter()
    encoding = read_encoding(windows)
    # In the order of their names, in which the weights are read again: sums depend on it.
    members = dict(sorted(members.items()))
    descriptions = {name: read_description(checkpoint) for name, checkpoint in members.items()}
    for name, description in descriptions.items():
        if not encoding.fits(description):
            raise UserError(f"{members[name]} was trained for other windows than {windows}: train it again.")
    valid = read_split(windows, "valid", encoding)
    steps = [0, *running_steps(encoding.length)]
    log_odds = {name: load_model(checkpoint)(valid, steps) for name, checkpoint in members.items()}
    for values in log_odds.values():
        # The first events of longer sessions are not in valid.
        values[1:, valid.events > encoding.length] = np.nan
    code = model_code(spec.model, spec.settings)
    combination: Combination = code.model(code.settings)
    combination.fit(log_odds, valid.buyer)
    combined = combination.combine(log_odds, steps)
    calibration = fit_calibration(lambda _: combined.copy(), valid, shift=0.0, length=encoding.length)
    ended = calibrate(combined[:1], [0], calibration)[0]
    loss = float(log_loss(valid.buyer, expit(ended), labels=[0, 1]))
    auc = float(roc_auc_score(valid.buyer, ended)) if has_both_classes(valid) else None
    first = next(iter(descriptions.values()))
    description = ModelDescription(
        **first.model_dump(exclude={"model", "settings", "file", "batch_size", "calibration"}),
        model=spec.model,
        settings=spec.settings,
        file=None,
        batch_size=None,
        calibration=calibration,
    )
    with atomic_write(output) as folder:
        write_description(folder, description, [windows / name for name in encoding.files])
        combination.save(folder)
        for name, checkpoint in members.items():
            copy_folder(checkpoint, folder / MEMBERS / name)
        CheckpointFiles.seal(folder)
    metrics = EpochMetrics(epoch=1, loss=loss, valid_loss=loss, valid_auc=auc)
    seconds = time.perf_counter() - began
    History(unit="fit", epochs=[metrics], best_epoch=1, seconds=[seconds]).write(history)
    LOGGER.info("%s %s: valid loss %.5f of %s", windows.parent.name, spec.model, loss, ", ".join(members))
