"""Specs of the figures and of the page: where each finds its files."""

from pydantic import JsonValue

from rabbithole.specs.base import Spec


class FigureStyle(Spec):
    """width: inches; font_size: points."""

    width: float
    font_size: float


class DatasetSources(Spec):
    """Files of a data set whose target is the purchase.

    events, windows: manifests; sessions, checks: a file per fold, or one without folds; metrics, histories,
    explanations: by run name ("gru seed 0"); figures: SVG by figure name; published: a published figure under
    the same protocol. With folds, windows, histories and explanations are those of the first.
    """

    simulated: bool
    events: str
    sessions: list[str]
    windows: str
    metrics: dict[str, str]
    histories: dict[str, str]
    explanations: dict[str, str]
    comparison: str
    checks: list[str]
    published: str | None
    figures: dict[str, str]


class NextEventSources(Spec):
    """Files of a data set whose target is the next event, by run name."""

    simulated: bool
    windows: str
    metrics: dict[str, str]
    histories: dict[str, str]
    checks: str


class AliceSources(Spec):
    """Files of the text models, by model; figures by name."""

    metrics: dict[str, str]
    histories: dict[str, str]
    samples: dict[str, str]
    figures: dict[str, str]


class PageSpec(Spec):
    """The report. settings: the user's settings as they are shown."""

    title: str
    datasets: dict[str, DatasetSources]
    next_events: dict[str, NextEventSources]
    alice: AliceSources | None
    settings: dict[str, JsonValue]
