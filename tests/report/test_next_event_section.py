"""The section on next events, from synthetic metrics."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from factories import windows_manifest

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.evaluation import (
    ClassMetrics,
    MeanInterval,
    NextEventMetrics,
    QuestionMetrics,
    StepAccuracy,
    ValidCrossEntropy,
)
from rabbithole.artifacts.training import EpochMetrics, History
from rabbithole.report.page import page
from rabbithole.specs.report import NextEventSources, PageSpec

CROSS_ENTROPIES = {
    "gru seed 0": 0.93,
    "gru seed 1": 0.95,
    "gru ensemble": 0.91,
    "dilated_conv seed 0": 0.90,
    "markov": 1.12,
    "most_frequent": 1.25,
    "oracle": 0.85,
}
VALID = {"gru seed 0": 0.5, "gru seed 1": 0.6, "gru ensemble": 0.4, "dilated_conv seed 0": 0.7}


def question_metrics(cross_entropy: float, names: tuple[str, ...]) -> QuestionMetrics:
    """Return metrics of one question whose classes are all predicted alike."""
    interval = MeanInterval(value=cross_entropy, low=cross_entropy - 0.01, high=cross_entropy + 0.01)
    return QuestionMetrics(
        predictions=4000,
        cross_entropy=interval,
        top_1=1 - cross_entropy / 2,
        macro_f1=0.4,
        classes=[
            ClassMetrics(name=name, actual=1300, predicted=1200, precision=0.5, recall=0.4, f1=0.44)
            for name in names
        ],
        by_steps=[
            StepAccuracy(steps=steps, predictions=2000, cross_entropy=interval, top_1=0.5) for steps in (1, 2)
        ],
    )


def write_sources(
    folder: Path, cross_entropies: dict[str, float], *, categories: tuple[str, ...] = ("S", "<7>")
) -> NextEventSources:
    """Write the files of a data set with these cross-entropies by run."""
    metrics, histories = {}, {}
    for run, cross_entropy in cross_entropies.items():
        valid = VALID.get(run)
        path = folder / run / "next_event.json"
        NextEventMetrics(
            event=question_metrics(cross_entropy, ("view", "addtocart", "purchase", "end")),
            category=question_metrics(cross_entropy + 0.1, categories) if categories else None,
            reason=None if categories else "train contains no category",
            valid=valid and ValidCrossEntropy(event=valid, category=valid if categories else None),
        ).write(path)
        metrics[run] = str(path)
        if "seed" in run:
            epoch = EpochMetrics(epoch=1, loss=1.0, valid_loss=1.0)
            history = History(unit="epoch", epochs=[epoch], best_epoch=1, seconds=[2.0, 3.0])
            history.write(folder / run / "history.json")
            histories[run] = str(folder / run / "history.json")
    windows_manifest().write(folder / "windows.json")
    LeakChecks(checks=[LeakCheck(name="The check holds", holds=True, detail="none")]).write(
        folder / "checks.json"
    )
    return NextEventSources(
        simulated="oracle" in cross_entropies,
        windows=str(folder / "windows.json"),
        checks=str(folder / "checks.json"),
        metrics=metrics,
        histories=histories,
    )


def write_page(folder: Path, next_events: dict[str, NextEventSources]) -> str:
    """Write a page that has nothing else, and return it."""
    settings: dict[str, Any] = {}
    spec = PageSpec(title="Next?", datasets={}, next_events=next_events, alice=None, settings=settings)
    output = folder / "index.html"
    page(spec, benchmarks=folder / "none", versions={}, output=output, summary=folder / "summary.txt")
    return output.read_text("utf-8")


def row_of(source: str, name: str) -> str:
    """Return the row of a model in the first table."""
    match = re.search(rf"<tr[^>]*>\s*<th scope=\"row\">[^\n]*>{name}[<\n].*?</tr>", source, re.DOTALL)
    assert match
    return match[0]


def test_the_page_shows_the_metrics_of_each_model(tmp_path: Path) -> None:
    source = write_page(tmp_path, {"shop": write_sources(tmp_path / "shop", CROSS_ENTROPIES)})
    expected = {
        "GRU": np.mean([CROSS_ENTROPIES[f"gru seed {seed}"] for seed in (0, 1)]),
        "GRU ensemble": CROSS_ENTROPIES["gru ensemble"],
        "Dilated convolution": CROSS_ENTROPIES["dilated_conv seed 0"],
        "Markov, first order": CROSS_ENTROPIES["markov"],
        "Most frequent": CROSS_ENTROPIES["most_frequent"],
        "Oracle \\(best possible\\)": CROSS_ENTROPIES["oracle"],
    }
    for name, value in expected.items():
        assert f"{value:.3f}" in row_of(source, name)
    assert "± 0.014 over seeds" in row_of(source, "GRU")
    assert "5.0 s" in row_of(source, "GRU")
    assert "&lt;7&gt;" in source
    assert "<7>" not in source
    assert "better than possible" not in source
    assert '<th scope="col" class="n">Actual</th><th scope="col" class="n">Predicted</th>' in source
    summary = (tmp_path / "summary.txt").read_text("utf-8")
    assert "shop: 4,000 predictions of the next event" in summary


def test_the_best_network_is_chosen_on_valid(tmp_path: Path) -> None:
    """The convolution is better on test, and not the best on valid."""
    source = write_page(tmp_path, {"shop": write_sources(tmp_path / "shop", CROSS_ENTROPIES)})
    assert "the best network for the next event is the ensemble of the GRU." in source
    best = CROSS_ENTROPIES["gru ensemble"]
    assert re.search(rf'class="best">{best:.3f}', source)
    markov, oracle = CROSS_ENTROPIES["markov"], CROSS_ENTROPIES["oracle"]
    gained = (markov - best) / (markov - oracle)
    assert f"achieves {gained * 100:.0f}\N{NO-BREAK SPACE}% of the possible gain over the baselines" in source
    assert f"The lowest possible cross-entropy is {oracle:.3f}." in source


def test_a_network_behind_the_baselines_and_a_missing_category_are_reported(tmp_path: Path) -> None:
    behind = {"gru seed 0": 1.3, "markov": 1.2, "most_frequent": 1.5}
    sources = {
        "shop": write_sources(tmp_path / "shop", CROSS_ENTROPIES),
        "other": write_sources(tmp_path / "other", behind, categories=()),
    }
    source = write_page(tmp_path, sources)
    assert source.count("The network does not beat the best baseline") == 1
    assert "The next category is not predicted: train contains no category." in source


def test_a_model_better_than_possible_is_called_a_leak(tmp_path: Path) -> None:
    cross_entropies = CROSS_ENTROPIES | {"gru seed 0": 0.6, "gru seed 1": 0.6}
    source = write_page(tmp_path, {"shop": write_sources(tmp_path / "shop", cross_entropies)})
    assert "GRU predicts the next event better than possible" in source
