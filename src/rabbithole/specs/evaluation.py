"""Specs of evaluation and of the studies."""

from rabbithole.specs.base import JsonObject, Spec
from rabbithole.specs.training import NetworkTraining


class EvaluateSpec(Spec):
    """The costs of a campaign: of contacting one session, and what one sale is worth."""

    contact_cost: float
    sale_worth: float


class LeakProbeSpec(Spec):
    """A network that is trained on parts of the data. sessions: drawn from each split at most."""

    model: str
    settings: JsonObject
    training: NetworkTraining
    sessions: int
    seed: int


class AblationSpec(Spec):
    """A network that is trained with each balance and augmentation, once per seed."""

    model: str
    settings: JsonObject
    training: NetworkTraining
    seeds: tuple[int, ...]
    steps: tuple[int, ...]


class OracleGapSources(Spec):
    """Files of one data set by name: of its windows, its comparison and its runs' metrics."""

    windows: str
    comparison: str
    metrics: dict[str, str]
