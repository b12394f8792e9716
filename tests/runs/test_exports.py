"""Exported models give the scores of test: as ONNX in the docs' own program, as StableHLO in JAX alone."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import docs_pages
import jax
import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from typer.testing import CliRunner

from rabbithole.cli import app
from rabbithole.models.gradient_boosting import Model
from rabbithole.windows.arrays import read_encoding, read_split

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


def export(results: Path, model: str, folder: Path, format: str = "onnx") -> None:
    """Package a model of a data set in `folder`, and export it to `folder/exported`."""
    for command in (
        ["package", str(results), "--model", model, "--seed", "0", "-o", str(folder / "model")],
        ["export", str(folder / "model"), "--format", format, "-o", str(folder / "exported")],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output


def scores_of_test(path: Path) -> dict[tuple[str, int], float]:
    """Return the scores of the test sessions by session and number of first events, 0 for ended sessions."""
    table = pq.read_table(path, filters=[("split", "=", "test")])
    return {(row["session_id"], row["steps"]): row["score"] for row in table.to_pylist()}


@pytest.mark.parametrize("model", ["gru", "dilated_conv"])
@pytest.mark.parametrize("shop", ["yoochoose", "retailrocket"])
def test_the_program_of_the_docs_gives_the_scores_of_test(
    finished: Path, tmp_path: Path, shop: str, model: str
) -> None:
    results = finished / "results" / shop
    export(results, model, tmp_path)
    (program,) = (block for block in docs_pages.blocks(PAGE) if block.file == "score_onnx.py")
    (tmp_path / "score_onnx.py").write_text(program.text)
    (tmp_path / "main.py").write_text(MAIN)

    expected = scores_of_test(results / model / "seed-0" / "scores.parquet")
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
    printed = np.array([line.split() for line in ran.stdout.splitlines()], float)
    ended = [expected[row["session_id"], 0] for row in sessions]
    running = [expected[row["session_id"], 1] for row in sessions]
    assert len(sessions) > 50
    np.testing.assert_allclose(printed, np.stack([ended, running], 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", ["gru", "dilated_conv"])
@pytest.mark.parametrize("shop", ["yoochoose", "retailrocket"])
def test_a_stablehlo_program_gives_the_scores_of_test(
    finished: Path, tmp_path: Path, shop: str, model: str
) -> None:
    results = finished / "results" / shop
    export(results, model, tmp_path, "stablehlo")
    described = json.loads((tmp_path / "exported/export.json").read_text())
    program = jax.export.deserialize(bytearray((tmp_path / "exported/model.stablehlo").read_bytes()))
    assert program.platforms == ("cpu", "cuda")
    test = read_split(results / "windows", "test", read_encoding(results / "windows"))
    assert described["categorical"] == list(test.fields.categorical)
    assert described["numeric"] == list(test.fields.numeric)
    expected = scores_of_test(results / model / "seed-0" / "scores.parquet")
    sessions = test.session_id.to_pylist()
    assert len(test) > 500
    # The number of sessions and of steps is open: batches of one to some hundreds, as long as their longest.
    for batch in np.split(np.arange(len(test)), [1, 3, 40, 340]):
        lengths = test.lengths[batch]
        steps = max(int(lengths.max()), described["minimum_steps"])
        codes = np.zeros((len(batch), steps, test.codes.shape[1]), np.int32)
        numbers = np.full((len(batch), steps, test.numbers.shape[1]), np.nan, np.float32)
        for row, session in enumerate(batch):
            start, end = test.offsets[session : session + 2]
            codes[row, : end - start], numbers[row, : end - start] = (
                test.codes[start:end],
                test.numbers[start:end],
            )
        logits = np.asarray(program.call(codes, numbers))
        # The window of a session that is longer than it does not hold the first event.
        whole = test.events[batch] == lengths
        for state, prefix, last, rows in (
            ("ended", 0, lengths - 1, np.arange(len(batch))),
            ("running", 1, np.zeros_like(lengths), np.flatnonzero(whole)),
        ):
            line = described["calibration"][state]
            chosen = logits[rows, last[rows], described[f"{state}_column"]]
            wanted = [expected[sessions[session], prefix] for session in batch[rows]]
            scores = expit(line["slope"] * chosen + line["intercept"])
            np.testing.assert_allclose(scores, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shop", ["yoochoose", "retailrocket"])
def test_exported_trees_give_the_scores_of_test(finished: Path, tmp_path: Path, shop: str) -> None:
    results = finished / "results" / shop
    export(results, "gradient_boosting", tmp_path)
    described = json.loads((tmp_path / "exported/export.json").read_text())
    trees = onnxruntime.InferenceSession(tmp_path / "exported/model.onnx")
    model = Model.load(tmp_path / "model/checkpoint")
    assert described["features"] == model.names and described["running"] == model.names[-1]
    test = read_split(results / "windows", "test", read_encoding(results / "windows"))
    rows = np.arange(len(test))
    features = model._features(test, rows, test.present, running=False)
    line = described["calibration"]["ended"]
    calibrated = expit(line["slope"] * trees.run(None, {"features": features})[0] + line["intercept"])
    expected = scores_of_test(results / "gradient_boosting/seed-0/scores.parquet")
    assert len(test) > 500
    in_order = [expected[session, 0] for session in test.session_id.to_pylist()]
    np.testing.assert_allclose(calibrated, in_order, atol=1e-5, rtol=0)
