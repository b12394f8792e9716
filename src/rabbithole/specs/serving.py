"""Specs of the steps that put a model to work."""

from pydantic import Field

from rabbithole.specs.base import Spec
from rabbithole.specs.data import EventsSpec, SessionsSpec, Source


class PackageModelSpec(Spec):
    """Which model of a data set goes to work, and how its log was read.

    model, seed: a choice of the user's, None: the best on valid; events: without the log's place.
    """

    dataset: str
    model: str | None
    seed: int | None
    events: EventsSpec
    sessions: SessionsSpec
    contact_cost: float
    sale_worth: float


class PredictSpec(Spec):
    """Which log to score, or to watch a model with, as in `EventsSpec`.

    max_rejected: None: as for the log that the model learned from.
    """

    source: Source
    max_rejected: float | None = Field(None, exclude_if=lambda share: share is None)
