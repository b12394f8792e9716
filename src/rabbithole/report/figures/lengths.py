"""How long the sessions of a data set are."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.report.figures.style import QUIET, Style, colour, drawing, few_ticks, percent

POINTS = 300


def lengths(*, sessions: Path, output: Path, style: Style) -> None:
    """Draw the share of sessions with at least n events before the cut as SVG, buyers apart."""
    table = pq.read_table(sessions, columns=["events", "buyer"])
    events, buyer = table["events"].to_numpy(), table["buyer"].to_numpy().astype(bool)
    with drawing(output, style, title="Session lengths") as axes:
        parts = [("Buyers", buyer, colour("gru")), ("Others", ~buyer, QUIET)]
        for label, kept, shade in parts:
            if not kept.any():
                continue
            values, counts = np.unique(events[kept], return_counts=True)
            at_least = np.cumsum(counts[::-1])[::-1] / kept.sum()
            some = _thinned(values)
            axes.step(values[some], at_least[some], where="pre", color=shade, linewidth=1.8, label=label)
        axes.set(xscale="log", yscale="log", xlabel="Events that are looked at")
        axes.set(ylabel="Sessions with at least so many")
        few_ticks(axes, "x", "y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        percent(axes, "y")
        axes.legend(loc="upper right")


def _thinned(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the indices of at most `POINTS` of rising values, even on a log scale, the last included."""
    wanted = np.geomspace(values[0], values[-1], POINTS)
    return np.unique(np.searchsorted(values, wanted).clip(max=len(values) - 1))
