"""Single sessions event by event: how the probability of buying rises and falls."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from rabbithole.io.atomic import read_json
from rabbithole.report.figures.style import QUIET, Style, colour, drawing, few_ticks
from rabbithole.report.runs import ORACLE, best_on_valid, display_name, model_of

KINDS = ((True, True), (True, False), (False, True), (False, False))
"""Bought, rising: a column each."""

SHAPES = ("o", "D", "^", "s", "v", "P")
FRESH, SEEN_BEFORE = 5.5, 2.8  # Sizes of the marks, in points.


def journeys(
    *, explanations: dict[str, Path], output: Path, style: Style, oracle: Path | None = None
) -> None:
    """Draw the sessions of the model with the best valid AUC as small pictures in one SVG.

    `explanations`: score name -> explanation.json; `oracle`: its scores.parquet, where there is one. The
    figure is twice as wide as others. Sessions are numbered; nothing names them.
    """
    found = {name: read_json(path) for name, path in explanations.items()}
    model = best_on_valid(found)
    shown_sessions = found[model]["journeys"]
    columns = [[one for one in shown_sessions if (one["bought"], one["rising"]) == kind] for kind in KINDS]
    rows = max(1, *(len(column) for column in columns))
    shapes = dict(zip(_events(shown_sessions), SHAPES, strict=False))
    known = _oracle(oracle, [one["session_id"] for one in shown_sessions]) if oracle else {}
    wide = {**style, "width": 2 * style["width"]}
    height = 0.07 + 0.15 * rows
    with drawing(
        output, wide, title="Sessions event by event", height=height, rows=rows, columns=len(KINDS)
    ) as panels:
        panels = panels.reshape(rows, len(KINDS))
        low = min((min(one["probability"]) for one in shown_sessions), default=0.01)
        high = max((max(one["probability"]) for one in shown_sessions), default=0.1)
        longest = max((len(one["event"]) for one in shown_sessions), default=1)
        number = 0
        for row in range(rows):
            for place, column in enumerate(columns):
                axes = panels[row, place]
                if row >= len(column):
                    axes.set_axis_off()
                    continue
                number += 1
                one = column[row]
                axes.set_title(f"{number}. {'Bought' if one['bought'] else 'Did not buy'}")
                axes.set_yscale("log")
                axes.set(ylim=(low / 1.4, min(1.0, high * 1.4)), xlim=(0.5, longest + 0.5))
                _session(axes, one, colour(model_of(model)), shapes)
                _oracle_marks(axes, known.get(one["session_id"], {}))
                few_ticks(axes, "y")
                axes.yaxis.set_minor_locator(NullLocator())
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g}%"))
                axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=3))
                axes.tick_params(labelleft=place == 0)
                if row == len(column) - 1:
                    axes.set_xlabel("Event")
        figure = panels[0, 0].figure
        if not shown_sessions:
            figure.text(0.5, 0.5, "No session is long enough", ha="center")
            return
        figure.supylabel("Probability that it will still buy", fontsize=style["font_size"])
        figure.legend(
            handles=_legend(model_of(model), shapes, bool(known)),
            loc="outside lower center",
            ncols=6,
            fontsize=style["font_size"],
        )


def _events(sessions: list[dict[str, Any]]) -> list[str]:
    """Return the kinds of events, the most frequent first."""
    events = [event for one in sessions for event in one["event"]]
    return sorted(set(events), key=lambda event: (-events.count(event), event))


def _session(axes: Axes, one: dict[str, Any], shade: str, shapes: dict[str, str]) -> None:
    steps = range(1, len(one["event"]) + 1)
    axes.plot(steps, one["probability"], color=shade, linewidth=1.3)
    marks: dict[tuple[str, bool], list[tuple[int, float]]] = {}
    for step, value, event, again in zip(steps, one["probability"], one["event"], one["again"], strict=True):
        marks.setdefault((shapes.get(event, SHAPES[-1]), again), []).append((step, value))
    for (shape, again), points in marks.items():
        size = SEEN_BEFORE if again else FRESH
        axes.plot(*zip(*points, strict=True), shape, color=shade, markersize=size)


def _oracle_marks(axes: Axes, scores: dict[int, float]) -> None:
    axes.plot(
        list(scores), list(scores.values()), "_", color=QUIET, markersize=9, markeredgewidth=2, zorder=1.9
    )


def _oracle(path: Path, sessions: list[str]) -> dict[str, dict[int, float]]:
    """Return the oracle's probabilities of running sessions: session -> events seen -> probability."""
    wanted = pc.field("session_id").isin(pa.array(sessions, pa.string())) & (pc.field("steps") > 0)
    table = pq.read_table(path, columns=["session_id", "steps", "score"], filters=wanted)
    found: dict[str, dict[int, float]] = {}
    for row in table.sort_by([("session_id", "ascending"), ("steps", "ascending")]).to_pylist():
        found.setdefault(row["session_id"], {})[row["steps"]] = row["score"]
    return found


def _legend(model: str, shapes: dict[str, str], with_oracle: bool) -> list[Line2D]:
    shade = colour(model)
    handles = [Line2D([], [], color=shade, label=display_name(model))]
    for event, shape in shapes.items() if len(shapes) > 1 else ():
        handles.append(Line2D([], [], color=shade, marker=shape, linestyle="", markersize=FRESH, label=event))
    for size, label in ((FRESH, "item not seen before"), (SEEN_BEFORE, "item seen before")):
        handles.append(Line2D([], [], color=shade, marker="o", linestyle="", markersize=size, label=label))
    if with_oracle:
        handles.append(
            Line2D(
                [],
                [],
                color=QUIET,
                marker="_",
                linestyle="",
                markersize=9,
                markeredgewidth=2,
                label=display_name(ORACLE),
            )
        )
    return handles
