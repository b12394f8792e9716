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
    else:
        sources = {"metrics": dataset["metrics"]}
    getattr(import_module(f"rabbithole.report.{name}"), name)(**sources, output=output, style=STYLE)
    return output.read_text()


FIGURES = ["roc", "precision_recall", "reliability", "early", "gain", "learning", "lengths"]


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


def test_a_figure_without_a_buyer_says_so_or_stays_empty(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    table = pa.table({"events": pa.array([1, 1, 3], pa.int32()), "buyer": np.zeros(3, bool)})
    pq.write_table(table, folder / "a.parquet")
    svg = draw("lengths", {"sessions": tmp_path / "sessions.json"}, tmp_path / "lengths.svg")
    assert "Others" in svg
    assert "Buyers" not in svg


def test_alice_learning_names_both_networks(run, tmp_path):
    module = import_module("rabbithole.report.alice_learning")
    module.alice_learning(histories=run["alice"]["histories"], output=tmp_path / "a.svg", style=STYLE)
    svg = (tmp_path / "a.svg").read_text()
    assert "deck" in svg
    assert "Ours" in svg
