"""The table of the distance between the models and the oracle."""

from pathlib import Path

import numpy as np
import pytest

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.specs.evaluation import OracleGapSources
from rabbithole.studies.oracle_gap import oracle_gap_tables


def cells(line: str) -> list[str]:
    """Return the cells of a row of a Markdown table, with empty ones at both ends."""
    return [cell.strip() for cell in line.split("|")]


def test_a_row_has_the_distance_to_the_oracle_and_to_the_baseline(run, tmp_path: Path) -> None:
    sources = run.datasets["simulated"]
    files = OracleGapSources(windows=sources.windows, comparison=sources.comparison, metrics=sources.metrics)
    oracle_gap_tables(datasets={"shop": files}, output=tmp_path / "oracle_gap.md")
    text = (tmp_path / "oracle_gap.md").read_text("utf-8")
    lines, running = (part.splitlines() for part in text.split("## Sessions still running"))
    rows = {row[5]: row for row in (cells(line) for line in lines[4:] if line)}
    metrics = {name: Metrics.read(Path(path)) for name, path in sources.metrics.items()}
    oracle, baseline, *seeds = (
        metrics[name] for name in ("oracle", "gradient_boosting seed 0", "gru seed 0", "gru seed 1")
    )
    auc = np.mean([seed.auc.value for seed in seeds])
    excess_loss = np.mean([seed.log_loss for seed in seeds]) / oracle.log_loss - 1
    gru = rows["GRU"]
    assert gru[6] == f"{auc:.4f}"
    assert float(gru[8]) == pytest.approx(oracle.auc.value - auc, abs=1e-4)
    assert float(gru[10]) == pytest.approx(seeds[0].auc.value - baseline.auc.value, abs=1e-4)
    assert gru[12:14] == [f"{excess_loss:+.1%}", f"{seeds[0].calibration.slope.value:.3f}"]
    (best,) = (row for name, row in rows.items() if "oracle" in name.lower())
    assert best[8:13] == [""] * 5
    names = cells(running[4])
    steps_rows = [cells(line) for line in running[6:]]
    by_steps = {row.steps: row for row in oracle.by_steps if row.buyers >= 100}
    assert [int(row[1]) for row in steps_rows] == list(by_steps)
    for row in steps_rows:
        expected = by_steps[int(row[1])]
        assert row[names.index("Oracle (best possible)")] == f"{expected.auc.value:.4f}"
        assert row[3] == f"{expected.buyers:,}"
