"""A program without Rabbithole, that of the docs, gives the scores of test from an export to ONNX."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import docs_pages
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rabbithole.cli import app

pytestmark = pytest.mark.workflow

PAGE = docs_pages.ROOT / "docs/how-to/put-to-work.md"

MAIN = """
import importlib.util
import sys
from datetime import UTC, datetime

sys.path += [sys.argv[1], "."]
assert importlib.util.find_spec("rabbithole") is None
import json

from score_onnx import probability

for line in sys.stdin:
    events = [event | {"time": datetime.fromtimestamp(event["time"], UTC)} for event in json.loads(line)]
    print(probability(events), probability(events[:1], "running"))
"""


@pytest.mark.parametrize("model", ["gru", "dilated_conv"])
@pytest.mark.parametrize("shop", ["yoochoose", "retailrocket"])
def test_the_program_of_the_docs_gives_the_scores_of_test(
    finished: Path, tmp_path: Path, shop: str, model: str
) -> None:
    results, packaged = finished / "results" / shop, tmp_path / "model"
    choice = ["--model", model, "--seed", "0"]
    for command in (
        ["package", str(results), *choice, "-o", str(packaged)],
        ["export", str(packaged), "--format", "onnx", "-o", str(tmp_path / "exported")],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    (program,) = (block for block in docs_pages.blocks(PAGE) if block.file == "score_onnx.py")
    (tmp_path / "score_onnx.py").write_text(program.text)
    (tmp_path / "main.py").write_text(MAIN)

    scores = pq.read_table(results / model / "seed-0" / "scores.parquet", filters=[("split", "=", "test")])
    expected = {(row["session_id"], row["steps"]): row["score"] for row in scores.to_pylist()}
    sessions = [row for row in pq.read_table(results / "sessions").to_pylist() if row["split"] == "test"]
    sessions = [row for row in sessions if (row["session_id"], 0) in expected][:300]
    lines = [
        json.dumps(
            [
                {"time": time.timestamp(), "event": event, "item": item, "category": category, "cost": cost}
                for time, event, item, category, cost in zip(
                    *(row[name] for name in ("timestamp", "event", "item", "category", "cost")), strict=True
                )
            ]
        )
        for row in sessions
    ]
    # Without site, the environment's editable packages are not found: ours is one.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "main.py", sysconfig.get_path("purelib")],
        cwd=tmp_path,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = np.array([line.split() for line in ran.stdout.splitlines()], float)
    ended = [expected[row["session_id"], 0] for row in sessions]
    running = [expected[row["session_id"], 1] for row in sessions]
    assert len(sessions) > 50
    np.testing.assert_allclose(found, np.stack([ended, running], 1), atol=1e-5, rtol=0)
