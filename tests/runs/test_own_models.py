"""A run with the documented model files, outside the package, and reruns after changes of them."""

import json
import shutil
from pathlib import Path

import yaml
from loaded_modules import missing_from_digests
from model_pages import documented_files
from workflow_runs import snakemake

PENALTY = "C=1 / settings.penalty"


def test_documented_model_files_are_compared_with_the_package_s_models(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    """On finished windows, a logistic regression and an LSTM of the user's own join the package's LSTM.

    The two LSTMs are the same code, so they give the same scores.
    """
    run = tmp_path / "run"
    shutil.copytree(finished, run, symlinks=True)
    files = documented_files()
    for name in ("logistic.py", "my_lstm.py"):
        (run / name).write_text(files[name])
    models = yaml.safe_load(files["models.yaml"])["models"]
    small = {"embedding_width": 8, "width": 16}
    models |= {"lstm": small, "mine": {"file": "my_lstm.py"} | small}
    models |= dict.fromkeys(("gru", "dilated_conv", "gradient_boosting"))
    config = tmp_path / "own.yaml"
    config.write_text(yaml.safe_dump({"datasets": {"retailrocket": None}, "models": models}))

    def jobs(*arguments: str) -> str:
        done = snakemake(run, *arguments, config=config, root=project, list_imports=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    jobs()
    folder = run / "results/yoochoose"
    lstm, mine = ((folder / name / "seed-0/scores.parquet").read_bytes() for name in ("lstm", "mine"))
    assert lstm == mine
    pairs = json.loads((folder / "comparison.json").read_text())["pairs"]
    assert {("logistic seed 0", "lstm seed 0"), ("lstm seed 0", "mine seed 0")} <= {
        (pair["first"], pair["second"]) for pair in pairs
    }
    page = (run / "results/report/index.html").read_text("utf-8")
    assert all(f"</span>{name}</th>" in page for name in ("LSTM", "Logistic", "Mine"))
    assert missing_from_digests(run)[1] == {}

    file = run / "logistic.py"
    text = file.read_text()
    file.write_text(f"# A comment.\n{text}")
    assert "Nothing to be done" in jobs("--dry-run")
    assert PENALTY in text
    file.write_text(text.replace(PENALTY, "C=2 / settings.penalty"))
    again = jobs("--dry-run")
    assert "Training logistic on yoochoose, seed 0" in again
    assert "Training lstm" not in again and "Training mine" not in again
