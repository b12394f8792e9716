"""A small finished run, evaluated by the real code from synthetic scores."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import events_manifest, sessions_manifest, windows_manifest, write_scores_table
from scipy.special import expit

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.data import SessionsManifest
from rabbithole.artifacts.evaluation import Explanation
from rabbithole.artifacts.text import TextEpoch, TextHistory, TextMetrics, TextSample, TextSamples
from rabbithole.artifacts.training import EpochMetrics, History
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.explain import field_importance, journeys, step_importance
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.report import AliceSources, DatasetSources, FigureStyle
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE

STYLE = FigureStyle(width=6.4, font_size=10)
CAMPAIGN = EvaluateSpec(contact_cost=1.0, sale_worth=20.0)
BAD_LINE = "visitor 4711,no time,view"
"""A line that could not be read, with the id of a visitor."""

SCRIPT = "<script>alert('rejected')</script>"
SAMPLE = "<b>ot,</b> said the cat & grinned"


@dataclass(frozen=True)
class Run:
    """The sources of the page: data sets by name, and the text models; unsafe: texts that need escaping."""

    datasets: dict[str, DatasetSources]
    alice: AliceSources
    unsafe: tuple[str, ...]


def write_scores(path: Path, *, seed: int, noise: float, sessions: int, base: float) -> np.ndarray:
    """Write scores that are true probabilities plus noise in the log odds, and return the labels."""
    truth = np.random.default_rng(5)
    x = truth.normal(base, 1.3, sessions)
    buyer = truth.random(sessions) < expit(x)
    draw = np.random.default_rng(seed)
    parts = []
    for split, steps in [("test", 0), ("test", 1), ("test", 3), ("valid", 0)]:
        score = expit(x + noise * draw.normal(size=sessions))
        parts.append(
            pa.table(
                {
                    "session_id": [f"{i:05}" for i in range(sessions)],
                    "split": [split] * sessions,
                    "steps": pa.array([steps] * sessions, pa.int32()),
                    "buyer": pa.array(buyer.astype(np.int8)),
                    "score": score,
                }
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores_table(pa.concat_tables(parts), path)
    return buyer


def write_dataset(folder: Path, *, runs: dict[str, float], sessions: int, base: float) -> DatasetSources:
    """Write the files of a data set with one run per noise, all but figures."""
    scores = {}
    for name, noise in runs.items():
        scores[name] = folder / name.replace(" ", "-") / "scores.parquet"
        buyer = write_scores(scores[name], seed=len(name), noise=noise, sessions=sessions, base=base)
        evaluate(CAMPAIGN, scores=scores[name], output=scores[name].with_name("metrics.json"))
    compare_models(scores=scores, output=folder / "comparison.json")
    histories = {name: path.with_name("history.json") for name, path in scores.items() if name != "oracle"}
    for path in histories.values():
        epochs = [
            EpochMetrics(epoch=epoch, loss=1 / epoch, valid_loss=1.1 / epoch, valid_auc=0.8 - 0.1 / epoch)
            for epoch in (1, 2, 3)
        ]
        History(unit="epoch", epochs=epochs, best_epoch=3, seconds=[2.0] * 3).write(path)
    first_seeds = [name for name in runs if name.endswith("seed 0")]
    explanations = {name: scores[name].with_name("explanation.json") for name in first_seeds}
    for number, path in enumerate(explanations.values()):
        write_explanation(path, buyer, valid_auc=0.8 - number / 10)
    (folder / "sessions").mkdir()
    lengths = np.random.default_rng(0).geometric(0.2, sessions)
    pq.write_table(
        pa.table({"events": pa.array(lengths, pa.int32()), "buyer": buyer}), folder / "sessions" / "a.parquet"
    )
    bad = {"file": "events.csv", "line": 12, "reason": "time is not a time", "text": BAD_LINE}
    events_manifest(
        files_missing=["item_properties"],
        rejected_examples=[bad],
        category_tree={"categories": 53, "roots": 5},
    ).write(folder / "events.json")
    sessions_manifest(files=SessionsManifest.files_of(folder / "sessions")).write(folder / "sessions.json")
    windows_manifest().write(folder / "windows.json")
    checks = [LeakCheck(name="The first check holds", holds=True, detail="none")]
    if "oracle" not in runs:
        checks.append(LeakCheck(name="The second check fails", holds=False, detail=SCRIPT))
    LeakChecks(checks=checks).write(folder / "checks.json")
    return DatasetSources(
        simulated="oracle" in runs,
        events=str(folder / "events.json"),
        sessions=[str(folder / "sessions.json")],
        windows=str(folder / "windows.json"),
        metrics={name: str(path.with_name("metrics.json")) for name, path in scores.items()},
        histories={name: str(path) for name, path in histories.items()},
        explanations={name: str(path) for name, path in explanations.items()},
        comparison=str(folder / "comparison.json"),
        checks=[str(folder / "checks.json")],
        published=None,
        figures={},
    )


def write_explanation(path: Path, buyer: np.ndarray, *, valid_auc: float) -> None:
    """Explain a formula that reads events only, on sessions in which buyers add to the cart more often."""
    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 12, len(buyer))
    offsets = np.append(0, np.cumsum(lengths))
    codes = draw.integers(FIRST_VALUE, 9, (offsets[-1], len(CATEGORICAL))).astype(np.int32)
    cart = draw.random(offsets[-1]) < np.where(np.repeat(buyer, lengths), 0.4, 0.1)
    codes[:, CATEGORICAL.index("event")] = FIRST_VALUE + cart
    ids = pa.array([f"{i:05}" for i in range(len(buyer))])
    numbers = draw.normal(size=(offsets[-1], 2)).astype(np.float32)
    sessions = Windows(ids, buyer.astype(np.int8), lengths.astype(np.int32), offsets, codes, numbers)

    def logits(windows: Windows, steps: list[int]) -> np.ndarray:
        carts = np.append(0, np.cumsum(windows.codes[:, CATEGORICAL.index("event")] > FIRST_VALUE))
        seen = [np.where(windows.lengths >= k, k or windows.lengths, 0) for k in steps]
        odds = [carts[windows.offsets[:-1] + count] - carts[windows.offsets[:-1]] - 3.0 for count in seen]
        return np.where(np.array(seen) > 0, odds, np.nan)

    def ended(windows: Windows) -> np.ndarray:
        return logits(windows, [0])[0]

    Explanation(
        valid_auc=valid_auc,
        test_sessions=len(buyer),
        sessions=len(buyer),
        buyers=int(buyer.sum()),
        fields=field_importance(ended, sessions, draw),
        steps=step_importance(ended, sessions, draw),
        journeys=journeys(logits, sessions, ["view", "addtocart"]),
    ).write(path)


def write_alice(folder: Path) -> AliceSources:
    """Write the files of the two text models."""
    paths: dict[str, dict[str, str]] = {"metrics": {}, "histories": {}, "samples": {}, "figures": {}}
    for model, bits in (("deck", 2.9), ("char_gru", 2.1)):
        metrics = TextMetrics(
            bits_per_character=bits,
            dynamic_bits_per_character=bits - 0.1 if model == "char_gru" else None,
            epochs=2,
            parameters=23_456,
            characters=1000,
            held_out_characters=100,
        )
        epochs = [TextEpoch(epoch=epoch, loss=4 / epoch, held_out_bits=4.1 / epoch) for epoch in (1, 2)]
        samples = [
            TextSample(temperature=temperature, text=SAMPLE, word_share=0.75) for temperature in (0.5, 1.0)
        ]
        artifacts: dict[str, Any] = {
            "metrics": metrics,
            "histories": TextHistory(epochs=epochs, seconds=[9.0, 9.5]),
            "samples": TextSamples(seed_text="'perhaps n", seed_found=True, samples=samples),
        }
        for kind, artifact in artifacts.items():
            path = folder / model / f"{kind}.json"
            artifact.write(path)
            paths[kind][model] = str(path)
    return AliceSources(**paths)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Data set `simulated` has two seeds and the oracle, data set `real` has few buyers."""
    folder = tmp_path_factory.mktemp("run")
    runs = {"oracle": 0.0, "gru seed 0": 0.5, "gru seed 1": 0.6, "gradient_boosting seed 0": 2.0}
    datasets = {
        "simulated": write_dataset(folder / "simulated", runs=runs, sessions=1511, base=-2.5),
        "real": write_dataset(folder / "real", runs={"mine seed 0": 1.0}, sessions=401, base=-4.5),
    }
    return Run(datasets, write_alice(folder / "alice"), (SCRIPT, SAMPLE))


@pytest.fixture(scope="session")
def draw() -> Callable[[str, DatasetSources, Path], str]:
    """Return a function that draws one figure of a data set at a path and returns the SVG."""

    def draw_figure(name: str, sources: DatasetSources, output: Path) -> str:
        arguments: dict[str, Any] = {
            "lengths": {"sessions": Path(sources.events).with_name("sessions")},
            "learning": {"histories": by_path(sources.histories)},
            "importance": {"explanations": by_path(sources.explanations)},
            "journeys": {"explanations": by_path(sources.explanations)},
        }.get(name, {"metrics": by_path(sources.metrics)})
        if name == "journeys" and "oracle" in sources.metrics:
            arguments["oracle"] = Path(sources.metrics["oracle"]).with_name("scores.parquet")
        # As in the workflow: the module and its function share a name.
        function = getattr(import_module(f"rabbithole.report.figures.{name}"), name)
        function(**arguments, output=output, style=STYLE)
        return output.read_text("utf-8")

    return draw_figure


def by_path(sources: dict[str, str]) -> dict[str, Path]:
    """Return sources as figures take them."""
    return {run: Path(path) for run, path in sources.items()}
