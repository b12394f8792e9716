"""Lengths of the sessions of a data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.report.figures.style import QUIET, legend_outside, log_ticks, percent_ticks, svg_figure
from rabbithole.report.runs import colour
from rabbithole.specs.report import FigureStyle

POINTS = 300
"""Points of a line at most."""


def lengths(*, sessions: Path, output: Path, style: FigureStyle) -> None:
    """Draw the share of sessions with at least n events before the cut as SVG, by buyers and others."""
    with SessionsManifest.on_this_machine(sessions) as folder:
        SessionsManifest.of(folder)
        table = pq.read_table(SessionsManifest.parts(folder), columns=["events", "buyer"])
    events, buyer = table["events"].to_numpy(), table["buyer"].to_numpy().astype(bool)
    with svg_figure(output, style, title="Session lengths") as axes:
        for label, mask, shade in (("Buyers", buyer, colour("gru")), ("Others", ~buyer, QUIET)):
            if not mask.any():
                continue
            values, counts = np.unique(events[mask], return_counts=True)
            at_least = np.cumsum(counts[::-1])[::-1] / mask.sum()
            points = _thin(values)
            axes.step(values[points], at_least[points], where="pre", color=shade, linewidth=1.8, label=label)
        axes.set(xscale="log", yscale="log", xlabel="Events before the cut")
        axes.set(ylabel="Sessions with at least as many")
        log_ticks(axes, "x", "y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        percent_ticks(axes, "y")
        legend_outside(axes)


def _thin(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the indices of at most `POINTS` of rising values, evenly on a log scale, with the last one."""
    targets = np.geomspace(values[0], values[-1], POINTS)
    return np.unique(np.searchsorted(values, targets).clip(max=len(values) - 1))
