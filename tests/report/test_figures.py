"""The figures of a finished run."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import sessions_manifest
from matplotlib.figure import Figure

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.artifacts.evaluation import Explanation, Metrics
from rabbithole.artifacts.training import History
from rabbithole.report.figures.alice_learning import alice_learning
from rabbithole.report.figures.learning import learning
from rabbithole.report.figures.lengths import lengths
from rabbithole.report.figures.style import few_log_ticks, svg_figure
from rabbithole.specs.report import FigureStyle

STYLE = FigureStyle(width=6.4, font_size=10)
FIGURES = (
    "roc",
    "precision_recall",
    "reliability",
    "early",
    "gain",
    "importance",
    "journeys",
    "learning",
    "lengths",
)

WITH_LEGEND = (*FIGURES, "alice_learning")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_small_and_self_contained_and_the_same_twice(
    run, draw, tmp_path: Path, name: str
) -> None:
    for sources in run.datasets.values():
        svg = draw(name, sources, tmp_path / "first.svg")
        assert svg == draw(name, sources, tmp_path / "second.svg")
        assert len(svg) < 100_000
        ElementTree.fromstring(svg)
        links = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert all(link.startswith("#") for link in links)
        # The page's own text colour, no style sheet that would apply to the whole page, no date.
        assert "currentColor" in svg
        assert "#010203" not in svg
        assert "<style" not in svg
        assert "<dc:date" not in svg


def test_a_matplotlibrc_of_the_user_s_changes_no_figure(tmp_path: Path) -> None:
    def drawn(name: str) -> bytes:
        with svg_figure(tmp_path / name, STYLE, title="A line") as axes:
            axes.plot([0, 1], [0, 1], label="a")
        return (tmp_path / name).read_bytes()

    plain = drawn("plain.svg")
    with mpl.rc_context(
        {"lines.linewidth": 9, "axes.labelpad": 30, "axes.prop_cycle": mpl.cycler(color="r")}
    ):
        assert drawn("styled.svg") == plain
        assert mpl.rcParams["lines.linewidth"] == 9


@pytest.mark.parametrize("name", WITH_LEGEND)
def test_no_legend_covers_a_line(run, draw, tmp_path: Path, monkeypatch, name: str) -> None:
    """Legends stand outside all axes, and entirely within the figure."""
    figures = []
    save = Figure.savefig

    def save_and_keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        save(figure, *arguments, **options)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", save_and_keep)
    if name == "alice_learning":
        histories = {model: Path(path) for model, path in run.alice.histories.items()}
        alice_learning(histories=histories, output=tmp_path / "a.svg", style=STYLE)
    else:
        draw(name, run.datasets["simulated"], tmp_path / "a.svg")
    (figure,) = figures
    assert figure.legends
    for axes in figure.axes:
        assert axes.get_legend() is None
        for legend in figure.legends:
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_journeys_of_many_event_types_mark_the_rare_ones_alike(run, draw, tmp_path: Path) -> None:
    sources = run.datasets["simulated"]
    path = Path(sources.explanations["gru seed 0"])
    explanation = Explanation.read(path)
    journeys = [
        journey.model_copy(update={"event": [f"$type$ {step % 12}" for step in range(len(journey.event))]})
        for journey in explanation.journeys
    ]
    explanation.model_copy(update={"journeys": journeys}).write(tmp_path / "explanation.json")
    explanations = {"gru seed 0": str(tmp_path / "explanation.json")}
    svg = draw("journeys", sources.model_copy(update={"explanations": explanations}), tmp_path / "a.svg")
    assert [f">$type$ {number}<" in svg for number in range(12)].count(True) == 5
    assert ">other events<" in svg


def test_the_oracle_is_drawn_where_there_is_one(run, draw, tmp_path: Path) -> None:
    with_oracle = draw("roc", run.datasets["simulated"], tmp_path / "a.svg")
    without = draw("roc", run.datasets["real"], tmp_path / "b.svg")
    assert "Oracle (best possible)" in with_oracle
    assert "Oracle" not in without
    assert "Mine" in without
    # Two seeds share one entry of the legend.
    assert with_oracle.count(">GRU") == 1


@pytest.mark.parametrize("name", ["roc", "precision_recall"])
def test_a_run_with_curves_but_without_an_auc_is_not_drawn(run, draw, tmp_path: Path, name: str) -> None:
    """With a single buyer there are curves, but no AUC and no average precision for the legend."""
    sources = run.datasets["real"]
    metrics = Metrics.read(Path(sources.metrics["mine seed 0"]))
    metrics.model_copy(update={"auc": None, "average_precision": None}).write(tmp_path / "metrics.json")
    changed = sources.model_copy(update={"metrics": {"mine seed 0": str(tmp_path / "metrics.json")}})
    svg = draw(name, changed, tmp_path / "a.svg")
    assert "Chance" in svg
    assert "Mine" not in svg


def test_journeys_show_twelve_numbered_sessions_without_their_ids(run, draw, tmp_path: Path) -> None:
    sources = run.datasets["simulated"]
    svg = draw("journeys", sources, tmp_path / "a.svg")
    journeys = Explanation.read(Path(sources.explanations["gru seed 0"])).journeys
    titles = re.findall(r">(\d+)\. (Bought|Did not buy)<", svg)
    assert sorted(int(number) for number, _ in titles) == list(range(1, 13))
    assert [kind for _, kind in titles].count("Bought") == 6
    assert not [journey.session_id for journey in journeys if f">{journey.session_id}<" in svg]
    assert "addtocart" in svg
    assert "Oracle" in svg


def test_lengths_of_sessions_without_a_buyer_have_no_line_of_buyers(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    table = pa.table({"events": pa.array([1, 1, 3], pa.int32()), "buyer": np.zeros(3, bool)})
    pq.write_table(table, folder / "a.parquet")
    sessions_manifest(files=SessionsManifest.files_of(folder)).write(tmp_path / "sessions.json")
    lengths(sessions=folder, output=tmp_path / "lengths.svg", style=STYLE)
    svg = (tmp_path / "lengths.svg").read_text("utf-8")
    assert "Others" in svg
    assert "Buyers" not in svg


def test_a_model_that_is_fitted_in_one_go_has_no_learning_curve(run, tmp_path: Path) -> None:
    histories = {name: Path(path) for name, path in run.datasets["simulated"].histories.items()}
    once = tmp_path / "history.json"
    history = History.read(histories["gru seed 0"])
    history.model_copy(update={"unit": "fit"}).write(once)
    learning(histories=histories | {"blend seed 0": once}, output=tmp_path / "a.svg", style=STYLE)
    svg = (tmp_path / "a.svg").read_text("utf-8")
    assert ">GRU<" in svg and ">Blend<" not in svg


@pytest.mark.parametrize("limits", [(0.012, 0.7), (0.001, 1.0), (0.04, 0.09), (0.3, 0.31)])
def test_labels_of_a_small_panel_do_not_touch(limits: tuple[float, float]) -> None:
    axes = Figure().subplots()
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    few_log_ticks(axes)
    places = np.log10([tick for tick in axes.get_yticks() if limits[0] <= tick <= limits[1]])
    assert np.diff(places).min(initial=np.inf) >= np.log10(limits[1] / limits[0]) / 3


def test_learning_curves_of_alice_name_both_networks(run, tmp_path: Path) -> None:
    histories = {model: Path(path) for model, path in run.alice.histories.items()}
    alice_learning(histories=histories, output=tmp_path / "a.svg", style=STYLE)
    svg = (tmp_path / "a.svg").read_text("utf-8")
    assert "Deck network" in svg
    assert "Character GRU" in svg
