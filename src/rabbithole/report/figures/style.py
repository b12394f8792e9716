"""The common style of all figures, written as small SVGs that are the same bytes each time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rabbithole.io.atomic import atomic_write
from rabbithole.report.runs import ENSEMBLE, ORACLE, colour
from rabbithole.specs.report import FigureStyle

QUIET = "#8a8f98"
"""Colour of reference lines, axes and grids."""

INK = "#010203"
"""Placeholder of the text colour: the SVG takes that of the page."""

FONTS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


@contextmanager
def svg_figure(
    output: Path, style: FigureStyle, *, title: str, height: float = 0.75, rows: int = 1, columns: int = 1
) -> Iterator[Any]:
    """Yield the axes of an empty figure, then write it as SVG.

    The axes are an array [rows, columns], or a single `Axes` for one row and column. height: as a fraction of
    the width; title: for screen readers.
    """
    settings: Any = {
        "font.size": style.font_size,
        "font.family": "sans-serif",
        "axes.titlesize": style.font_size,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": QUIET,
        "axes.labelcolor": INK,
        "axes.grid": True,
        "grid.color": QUIET,
        "grid.alpha": 0.22,
        "grid.linewidth": 0.7,
        "axes.axisbelow": True,
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.fontsize": style.font_size * 0.92,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "rabbithole",
        "path.simplify": True,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(style.width, style.width * height), layout="constrained")
        yield figure.subplots(rows, columns)
        text = StringIO()
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata={"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None},
        )
    with atomic_write(output) as temporary:
        temporary.write_text(compact_svg(text.getvalue(), title), "utf-8")


def compact_svg(svg: str, title: str) -> str:
    """Return a matplotlib SVG that is smaller, has a title, and takes text colour and font from the page."""
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE[^>]*>", "", svg, flags=re.DOTALL)
    # Within a page, its style sheet would apply to everything, and its ids would clash with other figures'.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', _cut_decimals, svg)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    head = f'<svg role="img" aria-label="{title}" stroke-linejoin="round" stroke-linecap="butt" '
    return svg.replace("<svg ", head, 1) + "\n"


def _cut_decimals(attribute: re.Match[str]) -> str:
    """Return coordinates with two decimals: hundredths of a point."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def line_style(model: str) -> dict[str, Any]:
    """Return the style of a model's line: the oracle is dashed, behind the others; an ensemble is dotted."""
    if model.endswith(ENSEMBLE):
        return {"color": colour(model), "linestyle": (0, (1, 1.5)), "linewidth": 1.8}
    if model == ORACLE:
        return {"color": colour(model), "linestyle": (0, (5, 2)), "linewidth": 1.6, "zorder": 1.9}
    return {"color": colour(model), "linewidth": 1.8}


def log_ticks(axes: Axes, *sides: str) -> None:
    """Label log axes at powers of ten, and at 2 and 5 times these if the axis spans less than 50 times."""
    for side in sides:
        axis = getattr(axes, f"{side}axis")
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,)))
        axis.set_minor_formatter(NullFormatter())


def percent_ticks(axes: Axes, *sides: str) -> None:
    """Label axes in percent."""
    for side in sides:
        getattr(axes, f"{side}axis").set_major_formatter(lambda value, _: f"{value * 100:.4g}%")


def write_note(axes: Axes, text: str) -> None:
    """Write a note in the middle of an empty figure."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
