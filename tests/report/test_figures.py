import json
import re
import xml.etree.ElementTree as ElementTree
from importlib import import_module

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

STYLE = {"width": 6.4, "font_size": 10}


def draw(name, dataset, output):
    """Draw one of a data set's figures as the workflow does: the module and its function share a name."""
    if name == "lengths":
        sources = {"sessions": dataset["sessions"].with_suffix("")}
    elif name == "learning":
        sources = {"histories": dataset["histories"]}
    elif name == "importance":
        sources = {"explanations": dataset["explanations"]}
    elif name == "journeys":
        sources = {"explanations": dataset["explanations"], "oracle": dataset["metrics"].get("oracle")}
        sources["oracle"] = sources["oracle"] and sources["oracle"].with_name("scores.parquet")
    else:
        sources = {"metrics": dataset["metrics"]}
    getattr(import_module(f"rabbithole.report.{name}"), name)(**sources, output=output, style=STYLE)
    return output.read_text()


FIGURES = [
    "roc",
    "precision_recall",
    "reliability",
    "early",
    "gain",
    "importance",
    "journeys",
    "learning",
    "lengths",
]


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_small_self_contained_and_the_same_twice(run, tmp_path, name):
    for dataset in run["datasets"].values():
        svg = draw(name, dataset, tmp_path / "one.svg")
        assert svg == draw(name, dataset, tmp_path / "two.svg")
        assert len(svg) < 100_000
        ElementTree.fromstring(svg)
        links = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert all(link.startswith("#") for link in links)
        # The page's own colour of text, no style sheet that would reach beyond the figure, no date.
        assert "currentColor" in svg
        assert "#010203" not in svg
        assert "<style" not in svg
        assert "<dc:date" not in svg


def test_oracle_is_drawn_where_there_is_one(run, tmp_path):
    with_oracle = draw("roc", run["datasets"]["simulated"], tmp_path / "a.svg")
    without = draw("roc", run["datasets"]["real"], tmp_path / "b.svg")
    assert "Oracle (best possible)" in with_oracle
    assert "Oracle" not in without
    assert "Mine" in without
    # Two seeds are one entry of the legend.
    assert with_oracle.count(">GRU") == 1


def test_journeys_number_a_dozen_sessions_and_name_none(run, tmp_path):
    dataset = run["datasets"]["simulated"]
    svg = draw("journeys", dataset, tmp_path / "a.svg")
    shown = json.loads(dataset["explanations"]["gru seed 0"].read_text())["journeys"]
    titles = re.findall(r">(\d+)\. (Bought|Did not buy)<", svg)
    assert sorted(int(number) for number, _ in titles) == list(range(1, 13))
    assert [kind for _, kind in titles].count("Bought") == 6
    assert not [one["session_id"] for one in shown if f">{one['session_id']}<" in svg]
    assert "addtocart" in svg
    assert "Oracle" in svg


def test_a_figure_without_a_buyer_says_so_or_stays_empty(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    table = pa.table({"events": pa.array([1, 1, 3], pa.int32()), "buyer": np.zeros(3, bool)})
    pq.write_table(table, folder / "a.parquet")
    svg = draw("lengths", {"sessions": tmp_path / "sessions.json"}, tmp_path / "lengths.svg")
    assert "Others" in svg
    assert "Buyers" not in svg


def test_alice_learning_names_both_networks(run, tmp_path):
    module = import_module("rabbithole.report.figures.alice_learning")
    module.alice_learning(histories=run["alice"]["histories"], output=tmp_path / "a.svg", style=STYLE)
    svg = (tmp_path / "a.svg").read_text()
    assert "deck" in svg
    assert "Ours" in svg
