"""Single sessions event by event: how the probability of a purchase rises and falls."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rabbithole.artifacts.evaluation import Explanation, Journey
from rabbithole.io.tables import read_table
from rabbithole.report.figures.style import QUIET, data_label, few_log_ticks, legend_outside, svg_figure
from rabbithole.report.runs import ORACLE, best_on_valid, colour, display_name, model_of
from rabbithole.specs.report import FigureStyle

COLUMNS = (True, False)
"""Whether the sessions of a column bought. In each column, rising probabilities come first."""

SHAPES = ("o", "D", "^", "s", "v", "P")
"""Markers of the kinds of events; of many kinds, the rare ones share the last."""


OTHER_KINDS = "other events"

LARGE, SMALL = 5.5, 2.8
"""Sizes in points of a marker whose item is new to the session, and of one whose item was seen before."""

ORACLE_MARK: dict[str, Any] = {
    "color": QUIET,
    "marker": "_",
    "linestyle": "",
    "markersize": 9,
    "markeredgewidth": 2,
}


def journeys(
    *, explanations: dict[str, Path], output: Path, style: FigureStyle, oracle: Path | None = None
) -> None:
    """Draw the journeys of the model with the best valid AUC as small panels in one SVG.

    Two columns: buyers and others. Sessions are numbered; their ids are not shown. explanations:
    explanation.json by run; oracle: its scores.parquet, None if there is no oracle.
    """
    by_run = {run: Explanation.read(path) for run, path in explanations.items()}
    best = best_on_valid(by_run)
    model, sessions = model_of(best), by_run[best].journeys
    columns = [
        sorted(
            (session for session in sessions if session.bought == kind),
            key=lambda session: not session.rising,
        )
        for kind in COLUMNS
    ]
    rows = max(1, *(len(column) for column in columns))
    shapes = _shapes(sessions)
    oracle_scores = _oracle_scores(oracle, [session.session_id for session in sessions]) if oracle else {}
    title, height = "Sessions event by event", 0.15 + 0.16 * rows
    with svg_figure(output, style, title=title, height=height, rows=rows, columns=len(COLUMNS)) as panels:
        panels = panels.reshape(rows, len(COLUMNS))
        low = min((min(session.probability) for session in sessions), default=0.01)
        high = max((max(session.probability) for session in sessions), default=0.1)
        longest = max((len(session.event) for session in sessions), default=1)
        number = 0
        for row in range(rows):
            for place, column in enumerate(columns):
                axes = panels[row, place]
                if row >= len(column):
                    axes.set_axis_off()
                    continue
                number += 1
                session = column[row]
                axes.set_title(f"{number}. {'Bought' if session.bought else 'Did not buy'}")
                axes.set_yscale("log")
                axes.set(ylim=(low / 1.4, min(1.0, high * 1.4)), xlim=(0.5, longest + 0.5))
                _draw_session(axes, session, colour(model), shapes)
                scores = oracle_scores.get(session.session_id, {})
                axes.plot(list(scores), list(scores.values()), zorder=1.9, **ORACLE_MARK)
                few_log_ticks(axes)
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g}%"))
                axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=3))
                is_lowest = row == len(column) - 1
                axes.tick_params(labelleft=place == 0 or row >= len(columns[0]), labelbottom=is_lowest)
                if is_lowest:
                    axes.set_xlabel("Event")
        figure = panels[0, 0].figure
        if not sessions:
            figure.text(0.5, 0.5, "No session is long enough", ha="center")
            return
        figure.supylabel("Probability of a purchase", fontsize=style.font_size)
        with_items = any(session.again is not None for session in sessions)
        handles = _legend(model, shapes, with_items=with_items, with_oracle=bool(oracle_scores))
        legend_outside(panels[0, 0], handles=handles)


def _shapes(sessions: list[Journey]) -> dict[str, str]:
    """Return the markers of the kinds of events, the most frequent first; rare kinds share one."""
    events = [event for session in sessions for event in session.event]
    kinds = sorted(set(events), key=lambda event: (-events.count(event), event))
    if len(kinds) > len(SHAPES):
        kinds = [*kinds[: len(SHAPES) - 1], OTHER_KINDS]
    return dict(zip(kinds, SHAPES, strict=False))


def _draw_session(axes: Axes, session: Journey, shade: str, shapes: dict[str, str]) -> None:
    """Draw the line of probabilities, and a marker per event."""
    steps = range(1, len(session.event) + 1)
    axes.plot(steps, session.probability, color=shade, linewidth=1.3)
    points: dict[tuple[str, bool], list[tuple[int, float]]] = {}
    again_by_step = [False] * len(session.event) if session.again is None else session.again
    for step, value, event, again in zip(
        steps, session.probability, session.event, again_by_step, strict=True
    ):
        points.setdefault((shapes.get(event, SHAPES[-1]), again), []).append((step, value))
    for (shape, again), places in points.items():
        axes.plot(*zip(*places, strict=True), shape, color=shade, markersize=SMALL if again else LARGE)


def _oracle_scores(path: Path, sessions: list[str]) -> dict[str, dict[int, float]]:
    """Return the oracle's probabilities of running sessions, by session and events seen."""
    chosen = pc.field("session_id").isin(pa.array(sessions, pa.string())) & (pc.field("steps") > 0)
    table = read_table(path, ["session_id", "steps", "score"], chosen)
    scores: dict[str, dict[int, float]] = {}
    for row in table.sort_by([("session_id", "ascending"), ("steps", "ascending")]).to_pylist():
        scores.setdefault(row["session_id"], {})[row["steps"]] = row["score"]
    return scores


def _legend(model: str, shapes: dict[str, str], *, with_items: bool, with_oracle: bool) -> list[Line2D]:
    """Return the legend: the model, the kinds of events, new and repeated items, the oracle."""
    shade = colour(model)
    handles = [Line2D([], [], color=shade, label=display_name(model))]
    for event, shape in shapes.items() if len(shapes) > 1 else ():
        label = data_label(event)
        handles.append(Line2D([], [], color=shade, marker=shape, linestyle="", markersize=LARGE, label=label))
    sizes = ((LARGE, "item not seen before"), (SMALL, "item seen before")) if with_items else ()
    for size, label in sizes:
        handles.append(Line2D([], [], color=shade, marker="o", linestyle="", markersize=size, label=label))
    if with_oracle:
        handles.append(Line2D([], [], label=display_name(ORACLE), **ORACLE_MARK))
    return handles
