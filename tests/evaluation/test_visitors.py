"""Sessions of a visitor in a plain split: scores name the visitor, and all intervals take them together."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import (
    session,
    train_spec,
    window,
    write_scores,
    write_scores_table,
    write_sessions,
    write_windows,
)

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.errors import UserError
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.score_sessions import score
from rabbithole.report.overview import gain_over_everybody
from rabbithole.sessions.visitors import read_visitors
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.training import ResumeOptions, ScoreSpec
from rabbithole.training.train import train

COSTS = EvaluateSpec(contact_cost=1.0, sale_worth=20.0)
PER_VISITOR = 3


def widths(metrics: Metrics) -> dict[str, list[float]]:
    """Return the widths of all intervals of the metrics of a run, by figure."""
    calibration = metrics.calibration
    assert metrics.auc and metrics.valid.auc and metrics.campaign.chosen
    assert calibration.slope and calibration.intercept
    rows: dict[str, list[Any]] = {
        "auc": [metrics.auc, metrics.valid.auc, *(row.auc for row in metrics.by_steps if row.auc)],
        "calibration": [calibration.slope, calibration.intercept],
        "lift": metrics.lift,
        "reliability": metrics.reliability,
        "campaign": [metrics.campaign.everybody, metrics.campaign.expected, metrics.campaign.chosen],
    }
    chosen = metrics.campaign.chosen
    rows["gain over everybody"] = [gain_over_everybody(metrics.campaign, chosen)]
    by_figure = {name: [each.high - each.low for each in of_name] for name, of_name in rows.items()}
    gain = np.array(metrics.gain.high) - metrics.gain.low
    return by_figure | {"gain": gain[5:-5].tolist()}


def test_repeating_all_sessions_of_visitors_narrows_no_interval(tmp_path: Path) -> None:
    """The same sessions three times teach no more than once; without visitors they would seem to."""
    write_scores(tmp_path / "once.parquet", sessions=6000)
    once = pq.read_table(tmp_path / "once.parquet")
    visitor = pa.array([int(name[1:]) for name in once["session_id"].to_pylist()], pa.uint64())
    repeated = pa.concat_tables([once] * PER_VISITOR)
    tables = {
        "once": once,
        "independent": repeated,
        "together": repeated.append_column("visitor", pa.concat_arrays([visitor] * PER_VISITOR)),
    }
    measured = {}
    for name, table in tables.items():
        write_scores_table(table, tmp_path / f"{name}.parquet")
        evaluate(COSTS, scores=tmp_path / f"{name}.parquet", output=tmp_path / f"{name}.json")
        measured[name] = Metrics.read(tmp_path / f"{name}.json")
    wide = {name: widths(metrics) for name, metrics in measured.items()}
    assert measured["together"].auc and measured["independent"].auc
    assert measured["together"].auc.value == measured["independent"].auc.value
    for figure in wide["once"]:
        # Fisher's information and sums by visitor agree on this sample of calibrated scores to a few percent.
        np.testing.assert_allclose(wide["together"][figure], wide["once"][figure], rtol=0.08, err_msg=figure)
        narrow = np.divide(wide["independent"][figure], wide["together"][figure])
        assert np.median(narrow) == pytest.approx(PER_VISITOR**-0.5, rel=0.1), figure


def test_models_are_compared_by_visitor(tmp_path: Path) -> None:
    errors = {}
    for times in (1, PER_VISITOR):
        paths = {name: tmp_path / f"{name}-{times}.parquet" for name in ("a", "b")}
        for seed, path in enumerate(paths.values()):
            write_scores(path, seed=seed)
            table = pq.read_table(path)
            visitor = pa.array([int(name[1:]) for name in table["session_id"].to_pylist()], pa.uint64())
            write_scores_table(pa.concat_tables([table.append_column("visitor", visitor)] * times), path)
        compare_models(scores=paths, output=tmp_path / "comparison.json")
        errors[times] = (tmp_path / "comparison.json").read_text().split('"error": ')[1].split(",")[0]
    assert float(errors[PER_VISITOR]) == pytest.approx(float(errors[1]), rel=0.01)


def test_scores_name_the_visitor_where_one_has_two_sessions(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def windows_of(split: str, count: int) -> list[dict[str, Any]]:
        return [
            window(f"{split}{number:03d}", int(rng.random() < 0.3), rng.integers(4, 20, 2).tolist())
            for number in range(count)
        ]

    splits = {name: windows_of(name, count) for name, count in (("train", 80), ("valid", 40), ("test", 40))}
    windows = write_windows(tmp_path / "windows", length=3, valid_prefixes=[], test_prefixes=[], **splits)
    train(
        train_spec("logistic_regression"),
        windows=windows,
        output=tmp_path / "model",
        history=tmp_path / "history.json",
        code="",
        resume=ResumeOptions(folder=str(tmp_path / "resume"), minutes=5.0),
    )
    names = [(split, row["session_id"]) for split, rows in splits.items() for row in rows]

    def scored(folder: str, visitors: dict[str, str | None]) -> pa.Table:
        rows = [session(name, split, ["a"], visitor=visitors.get(name, name)) for split, name in names]
        sessions = write_sessions(tmp_path / folder, rows) if folder else None
        output = tmp_path / f"{folder}.parquet"
        spec = ScoreSpec(steps=(1,))
        score(spec, checkpoint=tmp_path / "model", windows=windows, output=output, sessions=sessions)
        return pq.read_table(output)

    plain = scored("", {})
    # One session each, those without a name too, and a second one in train, which gets no score.
    assert scored("alone", {"test000": None, "test001": None, "train001": "test002"}).equals(plain)
    returning = scored("returning", {"test000": "v", "test001": "v", "valid000": None})
    assert returning.drop_columns(["visitor"]).equals(plain)
    rows = {(row["session_id"], row["steps"]): row["visitor"] for row in returning.to_pylist()}
    assert rows["test000", 0] == rows["test001", 0] == rows["test001", 1]
    assert len(set(rows.values())) == 79
    with pytest.raises(UserError, match="lacks sessions that were scored"):
        read_visitors(tmp_path / "returning/sessions").of(pa.array(["elsewhere"]))
