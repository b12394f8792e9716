"""How all figures look, and how they become the same bytes each time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.report.runs import ENSEMBLE, ORACLE

# Mid tones that can be told apart on white and on black, and by the colour-blind.
COLOURS = {
    "gru": "#2f7ed8",
    "dilated_conv": "#e6772e",
    "gradient_boosting": "#2aa876",
    ORACLE: "#8a8f98",
    "deck": "#e6772e",
    "char_gru": "#2f7ed8",
}
SPARE = ("#a05bd6", "#d6457a", "#b8952a", "#3fb6c6")
QUIET = "#8a8f98"
FONTS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
INK = "#010203"  # Stands for the reader's text colour until the figure is written.

Style = dict[str, float]  # {"width": inches, "font_size": points}


def colour(model: str) -> str:
    """Return the colour of a model, the same in every figure."""
    model = model.removesuffix(ENSEMBLE)
    return COLOURS.get(model) or SPARE[sha256(model.encode()).digest()[0] % len(SPARE)]


def line(model: str) -> dict[str, Any]:
    """Return how a model's line is drawn: the oracle's dashed and behind the others, an ensemble's dotted."""
    if model.endswith(ENSEMBLE):
        return {"color": colour(model), "linestyle": (0, (1, 1.5)), "linewidth": 1.8}
    if model == ORACLE:
        return {"color": colour(model), "linestyle": (0, (5, 2)), "linewidth": 1.6, "zorder": 1.9}
    return {"color": colour(model), "linewidth": 1.8}


@contextmanager
def drawing(
    output: Path, style: Style, *, title: str, height: float = 0.75, rows: int = 1, columns: int = 1
) -> Iterator[Any]:
    """Yield the axes [rows, columns] of a new figure (one alone as itself), then write it as SVG.

    `height` is a share of the width, `title` what a screen reader says.
    """
    settings: Any = {
        "font.size": style["font_size"],
        "font.family": "sans-serif",
        "axes.titlesize": style["font_size"],
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
        "legend.fontsize": style["font_size"] * 0.92,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "rabbithole",
        "path.simplify": True,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(style["width"], style["width"] * height), layout="constrained")
        yield figure.subplots(rows, columns)
        text = StringIO()
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata={"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None},
        )
    with atomic_write(output) as temporary:
        temporary.write_text(adapted(text.getvalue(), title), "utf-8")


def adapted(svg: str, title: str) -> str:
    """Return a matplotlib SVG with a name, small, and with text colour and font of the page around it."""
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE[^>]*>", "", svg, flags=re.DOTALL)
    # Its style sheet would apply to the whole page, and its ids would meet those of other figures there.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', _rounded, svg)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    name = f'<svg role="img" aria-label="{title}" stroke-linejoin="round" stroke-linecap="butt" '
    return svg.replace("<svg ", name, 1) + "\n"


def _rounded(attribute: re.Match[str]) -> str:
    """Return coordinates with two digits behind the point: hundredths of 1/72 inch."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def few_ticks(axes: Axes, *sides: str) -> None:
    """Label log axes at powers of ten, also at 2 and 5 where they span little, and never between."""
    for side in sides:
        axis = getattr(axes, f"{side}axis")
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,)))
        axis.set_minor_formatter(NullFormatter())


def percent(axes: Axes, *sides: str) -> None:
    """Write an axis' shares as percentages."""
    for side in sides:
        getattr(axes, f"{side}axis").set_major_formatter(lambda value, _: f"{value * 100:.4g}%")


def inline(path: Path, prefix: str) -> Markup:
    """Return an SVG of ours as it stands within a page.

    `prefix` keeps its ids apart from those of other figures. Raises `UserError` if the file is no SVG.
    """
    text = path.read_text("utf-8")
    start = text.find("<svg")
    if start < 0:
        raise UserError(f"{path} is no SVG. Delete it and run again.")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", text[start:])
    return Markup(text.strip())
