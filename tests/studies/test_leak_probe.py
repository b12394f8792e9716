"""Leak probes on windows with a planted leak: they must name the field or the step, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import network_settings, network_training, random_windows, window, write_windows

from rabbithole.artifacts.studies import LeakProbes
from rabbithole.specs.evaluation import LeakProbeSpec
from rabbithole.studies.leak_probe import probe_leaks
from rabbithole.studies.tables import leak_tables

Row = dict[str, Any]

SPEC = LeakProbeSpec(
    model="gru",
    settings=network_settings(dropout=0.0, learning_rate=0.02, weight_decay=0.0),
    training=network_training(epochs=3, patience=3, unseen_share=0.0),
    sessions=10_000,
    seed=0,
)

pytestmark = pytest.mark.slow


def plant_nothing(row: Row) -> None:
    """Leave a session as it is."""


def plant_purchase(row: Row) -> None:
    """Give the last event of a buyer its own type, and a longer dwell time."""
    row["event"] = [4] * (row["events"] - 1) + [6 if row["buyer"] else 4]
    row["dwell"] = [0.3] * (row["events"] - 1) + [2.0 if row["buyer"] else 0.3]


LEAKS: dict[str, tuple[Callable[[Row], None], list[str]]] = {
    "nothing": (plant_nothing, []),
    "the purchase": (plant_purchase, ["field event alone", "field dwell alone", "last event"]),
}


def probe(folder: Path, rows: dict[str, list[Row]]) -> LeakProbes:
    """Probe these sessions."""
    output = folder / "leak_probes.json"
    probe_leaks(SPEC, windows=write_windows(folder / "windows", **rows), output=output)
    return LeakProbes.read(output)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_named(leak: str, tmp_path: Path) -> None:
    plant, expected = LEAKS[leak]
    rng = np.random.default_rng(0)
    rows = {}
    for split, count in (("train", 1200), ("valid", 300), ("test", 600)):
        rows[split] = random_windows(count, rng, prefix=split, longest=5)
        for row in rows[split]:
            plant(row)
    study = probe(tmp_path, rows)
    assert len(study.probes) == 3 + 2 * 9 + 2
    for phrase in expected:
        assert any(phrase in finding for finding in study.findings), study
    fields = [finding for finding in study.findings if "alone" in finding]
    assert len(fields) == sum("alone" in phrase for phrase in expected), study
    if not expected:
        assert study.findings == []

    leak_tables(probes={"shop": tmp_path / "leak_probes.json"}, output=tmp_path / "leaks.md")
    text = (tmp_path / "leaks.md").read_text()
    assert ("Nothing suspicious." in text) == (not expected)
    assert all(f"- **{finding}**" in text for finding in study.findings)
    assert f"| only event | {study.probes[3].auc:.3f} |" in text


def test_sessions_of_test_in_train_are_named(tmp_path: Path) -> None:
    """A network that has memorised test's sessions predicts any labels that they have.

    Each session has one event, so there is no last event to leave out.
    """
    known = [window(f"{week:02}", int(week % 3 == 0), [4], week=[week]) for week in range(4, 57)]
    study = probe(tmp_path, dict.fromkeys(("train", "valid", "test"), known * 25))
    assert any("shuffled labels" in finding for finding in study.findings), study
