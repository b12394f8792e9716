"""A model in use gets a new calibration from later outcomes, or a better model takes its place."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from rabbithole import Model
from rabbithole.errors import UserError
from rabbithole.evaluation.calibration import calibration_regression
from rabbithole.serving.folder import load_folder
from rabbithole.serving.recalibrate import promote, recalibrate

pytestmark = pytest.mark.workflow


def events_of(shop: Path) -> pa.Table:
    """Return the events of a shop."""
    return pa.concat_tables(pq.read_table(part) for part in sorted((shop / "events").glob("part-*.parquet")))


def write_scores(path: Path, probability: NDArray[np.float64], bought: NDArray[np.bool_], model: str) -> Path:
    """Write scores of ended sessions and their outcomes, as `rabbithole predict` does."""
    n = len(bought)
    columns = {"session_id": [str(number) for number in range(n)], "state": ["ended"] * n}
    pq.write_table(
        pa.table(columns | {"bought": bought, "probability": probability, "model": [model] * n}), path
    )
    return path


def test_a_new_calibration_fits_later_outcomes_and_keeps_the_ranking(finished: Path, tmp_path: Path) -> None:
    shop = finished / "results/yoochoose"
    folder, events = load_folder(shop / "model"), events_of(shop)
    old = logit(Model(folder).predict(events)["probability"].to_numpy())
    # Later, the log odds are half of what the model says, plus 1.
    bought = np.random.default_rng(0).random(len(old)) < expit(0.5 * old + 1)
    scored = write_scores(tmp_path / "later.parquet", expit(old), bought, folder.manifest.digest)
    slope, intercept = recalibrate(folder, scored, tmp_path / "model")
    assert slope == pytest.approx(0.5, abs=0.1) and intercept == pytest.approx(1, abs=0.3)

    model = Model.load(tmp_path / "model")
    new = logit(model.predict(events)["probability"].to_numpy())
    assert new == pytest.approx(slope * old + intercept, abs=1e-6)
    again = calibration_regression(bought.astype(np.int8), expit(new))
    assert again.slope and again.slope.value == pytest.approx(1, abs=1e-4)
    assert again.intercept and again.intercept.value == pytest.approx(0, abs=1e-4)
    with pytest.raises(UserError, match="scores of another model"):
        recalibrate(model.folder, scored, tmp_path / "twice")


def test_scores_with_few_buyers_are_refused(finished: Path, tmp_path: Path) -> None:
    folder = load_folder(finished / "results/yoochoose/model")
    bought = np.arange(500) < 29
    scored = write_scores(tmp_path / "later.parquet", np.full(500, 0.1), bought, folder.manifest.digest)
    with pytest.raises(UserError, match="29 buyers in 500 ended sessions: a calibration needs 30"):
        recalibrate(folder, scored, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_worse_model_is_not_promoted_and_another_takes_the_place(finished: Path, tmp_path: Path) -> None:
    present, candidate = tmp_path / "present", finished / "results/retailrocket/model"
    shutil.copytree(finished / "results/yoochoose/model", present)
    before = load_folder(present).manifest.digest
    random = np.random.default_rng(0)
    bought = random.random(2_000) < 0.1
    good = write_scores(
        tmp_path / "good.parquet", 0.2 + 0.3 * bought + 0.4 * random.random(2_000), bought, "a"
    )
    poor = write_scores(tmp_path / "poor.parquet", random.random(2_000), bought, "b")
    with pytest.raises(UserError, match=r"is worse than .*: its AUC is lower by 0\..*The model in use stays"):
        promote(candidate, present, {"candidate": poor, "present": good})
    assert load_folder(present).manifest.digest == before
    # The rows of both may have other orders.
    rows = pq.read_table(good)
    pq.write_table(rows.take(pc.sort_indices(rows["probability"])), good)
    assert promote(candidate, present, {"candidate": good, "present": poor}).difference > 0.2
    assert load_folder(present).manifest.digest == load_folder(candidate).manifest.digest
