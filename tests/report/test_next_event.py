"""The part of the page on a data set whose next events are foretold, from invented predictions."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.evaluation.next_event import NextEventMetrics
from rabbithole.io.atomic import read_json, write_json
from rabbithole.report.page import page
from rabbithole.windows.next_events import IGNORED, Classes

CLASSES = Classes(("view", "addtocart", "purchase", "end"), ("S", "<7>", "no category"))
NOISE = {
    "gru seed 0": 0.3,
    "gru seed 1": 0.4,
    "gru ensemble": 0.25,
    "markov": 0.9,
    "most_frequent": 1.5,
    "oracle": 0.0,
}


VALID = {"gru seed 0": 0.5, "gru seed 1": 0.6, "gru ensemble": 0.4, "dilated_conv seed 0": 0.7}
"""Cross-entropies on valid."""


def write_predictions(output: Path, noise: float, classes: Classes, valid: float | None) -> None:
    """Judge predictions of the same invented answers, worse by a noise."""
    truth, draw = np.random.default_rng(0), np.random.default_rng(1)
    count = 4000
    sizes = len(classes.events), max(len(classes.categories), 1)
    logits = [truth.normal(0, 1.5, (count, size)) for size in sizes]
    answers = [np.argmax(one + truth.gumbel(size=one.shape), axis=1) for one in logits]
    answers[1][answers[0] >= 2] = IGNORED
    noisy = [one + noise * draw.normal(size=one.shape) for one in logits]
    event, category = (one - np.log(np.exp(one).sum(1, keepdims=True)) for one in noisy)
    judgement = NextEventMetrics(classes)
    session, step = np.repeat(np.arange(count // 2), 2), np.tile([1, 2], count // 2)
    judgement.add(session, step, (answers[0], answers[1]), (event, category))
    judgement.write(output, [1, 2], valid={"event": valid, "category": None})


def given(folder: Path, noise: dict[str, float], classes: Classes) -> dict[str, Any]:
    """Write what the part is made of, and return where it lies."""
    metrics, histories = {}, {}
    for name, much in noise.items():
        metrics[name] = folder / name / "next_event.json"
        write_predictions(metrics[name], much, classes, VALID.get(name))
        if "seed" in name:
            histories[name] = folder / name / "history.json"
            write_json(histories[name], {"seconds": [2.0, 3.0]})
    write_json(folder / "windows.json", {"splits": {"test": {"rows": 2000}}})
    write_json(folder / "checks.json", {"checks": [{"name": "One holds", "holds": True, "found": "none"}]})
    return {
        "simulated": "oracle" in noise,
        "windows": folder / "windows.json",
        "checks": folder / "checks.json",
        "metrics": metrics,
        "histories": histories,
    }


def write_page(folder: Path, next_events: dict[str, Any]) -> str:
    """Write the page with nothing else on it, and return it."""
    page(
        title="Next?",
        datasets={},
        next_events=next_events,
        alice=None,
        made={"settings": "", "versions": {}, "benchmarks": None},
        output=folder / "index.html",
        summary=folder / "summary.txt",
    )
    return (folder / "index.html").read_text("utf-8")


def test_the_page_tells_what_comes_next(tmp_path: Path) -> None:
    shops = {"shop": given(tmp_path / "shop", NOISE, CLASSES)}
    # Another, real, of which the next category is not asked for.
    real = {"gru seed 0": 0.3, "markov": 0.2, "most_frequent": 1.5}
    shops["other"] = given(tmp_path / "other", real, Classes(CLASSES.events, ()))
    text = write_page(tmp_path, shops)
    figures = {name: read_json(path)["event"] for name, path in shops["shop"]["metrics"].items()}
    means = {
        "GRU": np.mean([figures[f"gru seed {n}"]["cross_entropy"]["value"] for n in (0, 1)]),
        "Markov, first order": figures["markov"]["cross_entropy"]["value"],
        "Most frequent": figures["most_frequent"]["cross_entropy"]["value"],
        "Oracle": figures["oracle"]["cross_entropy"]["value"],
    }
    for name, value in means.items():
        row = re.search(rf"<tr[^>]*>\s*<th[^>]*>[^\n]*{name}.*?</tr>", text, re.DOTALL)
        assert row
        assert f"{value:.3f}" in row[0]
    together = figures["gru ensemble"]["cross_entropy"]["value"]
    assert f"{together:.3f}" in text
    # The convolution is better on test, and is not the best on valid.
    assert "at telling what comes next, the GRU of all seeds together," in text
    assert re.search(rf'class="best">{together:.3f}', text)
    assert "over seeds" in text
    gained = (means["Markov, first order"] - together) / (means["Markov, first order"] - means["Oracle"])
    assert f"So it gains {gained * 100:.0f}\N{NO-BREAK SPACE}% of what can be gained over counting" in text
    assert "no model could come below" in text
    assert "&lt;7&gt;" in text
    assert "<7>" not in text
    assert "not asked for: train holds none" in text
    assert "better than possible" not in text
    # On the other, the chain is ahead.
    assert text.count("Counting train does no worse than the network.") == 1
    summary = (tmp_path / "summary.txt").read_text()
    assert "shop: what comes next, asked 4,000 times" in summary


def test_a_model_better_than_possible_is_called_a_leak(tmp_path: Path) -> None:
    noise = NOISE | {"gru seed 0": 0.0, "gru seed 1": 0.0, "oracle": 2.0}
    text = write_page(tmp_path, {"shop": given(tmp_path / "shop", noise, CLASSES)})
    assert "GRU foretells the next event better than possible" in text
