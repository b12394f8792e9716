"""The table of how near the models come to the best possible score."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rabbithole.cli.reports import app
from rabbithole.io.atomic import read_json


def test_each_row_says_how_far_the_oracle_is_ahead_and_the_baseline_behind(run: dict, tmp_path) -> None:
    told = run["datasets"]["simulated"]
    files = {key: told[key] for key in ("windows", "comparison", "metrics")}
    settings = json.dumps({"shop": files}, default=str)
    found = CliRunner().invoke(app, ["limit", "--datasets", settings, "--output", f"{tmp_path / 'limit.md'}"])
    assert found.exit_code == 0, found.output
    text = (tmp_path / "limit.md").read_text()
    lines, running = (part.splitlines() for part in text.split("## Sessions still running"))
    cells = [[cell.strip() for cell in line.split("|")] for line in lines[4:] if line]
    rows = {line[5]: line for line in cells}
    metrics = {name: read_json(path) for name, path in told["metrics"].items()}
    oracle, baseline, *seeds = (
        metrics[name] for name in ("oracle", "gradient_boosting seed 0", "gru seed 0", "gru seed 1")
    )
    auc = np.mean([one["auc"]["value"] for one in seeds])
    over = np.mean([one["log_loss"] for one in seeds]) / oracle["log_loss"] - 1
    gru = rows["GRU"]
    assert gru[6] == f"{auc:.4f}"
    assert float(gru[8]) == pytest.approx(oracle["auc"]["value"] - auc, abs=1e-4)
    assert float(gru[10]) == pytest.approx(seeds[0]["auc"]["value"] - baseline["auc"]["value"], abs=1e-4)
    assert gru[12:14] == [f"{over:+.1%}", f"{seeds[0]['calibration']['slope']['value']:.3f}"]
    (best,) = (cells for name, cells in rows.items() if "oracle" in name.lower())
    assert best[8:13] == [""] * 5
    named = [cell.strip() for cell in running[4].split("|")]
    tables = [[cell.strip() for cell in line.split("|")] for line in running[6:]]
    told_of = {line["steps"]: line for line in oracle["by_steps"] if line["buyers"] >= 100}
    assert [int(cells[1]) for cells in tables] == list(told_of)
    for cells in tables:
        means = [one["auc"]["value"] for one in oracle["by_steps"] if one["steps"] == int(cells[1])]
        assert cells[named.index("Oracle (best possible)")] == f"{means[0]:.4f}"
        assert cells[3] == f"{told_of[int(cells[1])]['buyers']:,}"
