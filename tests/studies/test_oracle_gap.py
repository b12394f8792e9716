"""The tables of how close the models come to the best possible score."""

from pathlib import Path

import numpy as np
import pytest
from factories import windows_manifest, write_scores

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.specs.evaluation import EvaluateSpec, OracleGapSources
from rabbithole.studies.tables import oracle_gap_tables

NOISE = {"oracle": 0.0, "gru seed 0": 0.5, "gru seed 1": 0.6, "gradient_boosting seed 0": 2.0}


def cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table; the first and the last are empty."""
    return [cell.strip() for cell in line.split("|")]


def test_a_row_has_the_gap_to_the_oracle_and_the_gain_over_the_baseline(tmp_path: Path) -> None:
    scores = {run: tmp_path / run / "scores.parquet" for run in NOISE}
    for seed, (run, noise) in enumerate(NOISE.items()):
        write_scores(scores[run], seed=seed, noise=noise)
        evaluate(
            EvaluateSpec(contact_cost=1.0, sale_worth=20.0),
            scores=scores[run],
            output=scores[run].with_name("metrics.json"),
        )
    compare_models(scores=scores, output=tmp_path / "comparison.json")
    windows_manifest().write(tmp_path / "windows.json")
    files = {run: str(path.with_name("metrics.json")) for run, path in scores.items()}
    sources = OracleGapSources(
        windows=str(tmp_path / "windows.json"), comparison=str(tmp_path / "comparison.json"), metrics=files
    )
    oracle_gap_tables(datasets={"shop": sources}, output=tmp_path / "oracle_gap.md")

    lines, running = (
        part.splitlines() for part in (tmp_path / "oracle_gap.md").read_text().split("## Running sessions")
    )
    rows = {cells(line)[5]: cells(line) for line in lines[4:] if line}
    metrics = {run: Metrics.read(Path(path)) for run, path in files.items()}
    aucs = {run: read.auc.value for run, read in metrics.items() if read.auc}
    oracle, first = metrics["oracle"], metrics["gru seed 0"]
    auc = (aucs["gru seed 0"] + aucs["gru seed 1"]) / 2
    gru = rows["GRU"]
    assert gru[1:5] == ["shop", "150", "2,003", f"{oracle.buyers}"]
    assert gru[6] == f"{auc:.4f}"
    assert float(gru[8]) == pytest.approx(aucs["oracle"] - auc, abs=1e-4)
    gain = aucs["gru seed 0"] - aucs["gradient_boosting seed 0"]
    assert float(gru[10]) == pytest.approx(gain, abs=1e-4)
    loss = np.mean([metrics[f"gru seed {seed}"].log_loss for seed in (0, 1)]) / oracle.log_loss - 1
    assert first.calibration.slope is not None
    assert gru[12:14] == [f"{loss:+.1%}", f"{first.calibration.slope.value:.3f}"]
    (best,) = (row for name, row in rows.items() if "oracle" in name.lower())
    assert best[8:13] == [""] * 5

    named = cells(running[4])
    tables = [cells(line) for line in running[6:]]
    # After five events too few sessions are left.
    expected = [row for row in oracle.by_steps if row.buyers >= 100]
    assert [int(row[1]) for row in tables] == [row.steps for row in expected] == [1]
    for row, steps in zip(tables, expected, strict=True):
        assert steps.auc is not None
        assert row[named.index("Oracle (best possible)")] == f"{steps.auc.value:.4f}"
        assert row[3] == f"{steps.buyers:,}"
