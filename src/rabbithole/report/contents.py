"""The contents of the page: its sections, and their parts that fold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of a data set's section. name: of its template, and in its anchor; folded: at first."""

    name: str
    title: str
    folded: bool


@dataclass(frozen=True)
class Entry:
    """A line of the contents: its anchor, its title, and the lines below it."""

    anchor: str
    title: str
    parts: tuple["Entry", ...] = ()


def dataset_parts(*, has_running: bool, leaks: bool, more_figures: bool) -> list[Part]:
    """Return the parts of a data set's section.

    has_running: whether running sessions were scored; leaks: whether a leak check fails, which must not be
    folded away; more_figures: whether there are figures that belong to no part.
    """
    parts = [
        Part("models", "Which model is best?", folded=False),
        Part("early", "How early can a purchase be predicted?", folded=False),
        Part("campaign", "Which sessions are worth contacting?", folded=False),
        Part("explanation", "Which fields and steps matter?", folded=False),
        Part("calibration", "Are the probabilities calibrated?", folded=True),
        Part("training", "How did training go?", folded=True),
        Part("figures", "More figures", folded=True),
        Part("checks", "Has anything leaked?", folded=not leaks),
        Part("data", "Where do the sessions come from?", folded=True),
    ]
    absent = {"early": not has_running, "figures": not more_figures}
    return [part for part in parts if not absent.get(part.name)]
