"""The common style of all figures, written as small SVGs that are the same bytes each time."""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import with_comment
from rabbithole.report.runs import ENSEMBLE, ORACLE, colour
from rabbithole.specs.report import FigureStyle

QUIET = "#8a8f98"
"""Colour of reference lines, axes and grids."""

INK = "#010203"
"""Placeholder of the text colour: the SVG takes that of the page."""

LONG_LABEL = 30
"""Characters of a legend's label from which its entries get a line of their own."""

TICK_DISTANCE = 1 / 3
"""Distance of labels on a small panel, as a fraction of its axis."""

LONGEST_NAME = 24
"""Characters of a name from the data that a figure shows; the rest is cut off."""

FONTS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


@contextmanager
def svg_figure(
    output: Path, style: FigureStyle, *, title: str, height: float = 0.72, rows: int = 1, columns: int = 1
) -> Iterator[Any]:
    """Yield the axes of an empty figure, then write it as SVG.

    The axes are an array [rows, columns], or a single `Axes` for one row and column. height: as a fraction of
    the width, without the legend; title: for screen readers, to which the legend's labels are added.
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
    with mpl.rc_context():
        # A matplotlibrc of the user's, also in the working folder, is for other figures.
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        figure = Figure(figsize=(style.width, style.width * height), layout="constrained")
        yield figure.subplots(rows, columns)
        text = StringIO()
        with warnings.catch_warnings():
            # Text stays text in the SVG. Fonts only estimate its size, also of letters that they lack.
            warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
            figure.savefig(
                text,
                format="svg",
                transparent=True,
                metadata={"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None},
            )
    labels = [label.get_text() for legend in figure.legends for label in legend.get_texts()]
    spoken = f"{title}: {', '.join(labels)}" if labels else title
    with atomic_write(output) as temporary:
        svg = compact_svg(text.getvalue(), " ".join(spoken.split()))
        temporary.write_text(with_comment(svg), "utf-8")


def legend_outside(axes: Axes, *, handles: Sequence[Artist] | None = None, title: str | None = None) -> None:
    """Put the legend above all axes, where it hides no line, and make the figure taller by it.

    handles: by default, all labelled lines of the axes.
    """
    figure, size = axes.figure, mpl.rcParams["legend.fontsize"]
    assert isinstance(figure, Figure)
    entries = list(handles) if handles is not None else axes.get_legend_handles_labels()[0]
    if not entries:
        return
    longest = max(len(str(entry.get_label())) for entry in entries)
    columns = 1 if longest > LONG_LABEL else 2 if longest > LONG_LABEL / 2 else 3
    lines = -(-len(entries) // columns) + (title is not None)
    figure.set_figheight(figure.get_figheight() + 1.5 * size / 72 * lines)
    figure.legend(
        handles=entries,
        title=title,
        alignment="left",
        loc="outside upper left",
        ncols=columns,
        handlelength=1.5,
        columnspacing=1.2,
        borderpad=0.2,
    )


def data_label(name: str) -> str:
    """Return a name from the data as a label: on one line, of limited length, without mathematical markup."""
    name = "".join(character if character.isprintable() else " " for character in name).strip()
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    # A legend leaves out labels that begin with an underscore.
    name = re.sub(r"^_", "\N{ZERO WIDTH SPACE}_", name)
    return name.replace("$", r"\$")


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
    head = f'<svg role="img" aria-label="{escape(title)}" stroke-linejoin="round" stroke-linecap="butt" '
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


def few_log_ticks(axes: Axes) -> None:
    """Label the logarithmic y axis of a small panel: at 1, 2 and 5 times powers of ten, with gaps between."""
    low, high = np.log10(axes.get_ylim())
    decades = range(math.floor(low), math.ceil(high))
    exponents = [decade + step for decade in decades for step in np.log10((1, 2, 5))]
    exponents = [exponent for exponent in exponents if low <= exponent <= high]
    for every in range(1, len(exponents) + 1):
        shown = exponents[::every]
        if np.diff(shown).min(initial=np.inf) >= TICK_DISTANCE * (high - low):
            axes.yaxis.set_major_locator(FixedLocator([10**exponent for exponent in shown]))
            break
    axes.yaxis.set_minor_locator(NullLocator())


def percent_ticks(axes: Axes, *sides: str) -> None:
    """Label axes in percent."""
    for side in sides:
        getattr(axes, f"{side}axis").set_major_formatter(lambda value, _: f"{value * 100:.4g}%")


def write_note(axes: Axes, text: str) -> None:
    """Write a note in the middle of an empty figure."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
