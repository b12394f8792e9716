"""Artifacts of the studies: leak probes and ablations."""

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.artifacts.evaluation import Probabilities, Ranking


class LeakProbe(Record):
    """A network trained on part of the data: its AUC on test with a 99 % interval."""

    name: str
    sessions: int
    buyers: int
    auc: float
    low: float
    high: float


class LeakProbes(Artifact):
    """leak_probes.json: the probes, and what is suspicious about them."""

    kind = "leak probes"
    rule = "leak_probe"

    probes: list[LeakProbe]
    findings: list[str]


class VariantMetrics(Ranking, Probabilities):
    """Metrics of one way to train, or of the oracle."""


class Variant(VariantMetrics):
    """One way to train, with one seed."""

    name: str
    seed: int


class PrefixComparison(Record):
    """After `steps` events: the network for all moments (auc) and one for this moment (single).

    difference: auc minus single, with its 95 % interval.
    """

    steps: int
    sessions: int
    buyers: int
    auc: float
    single: float
    difference: float
    low: float
    high: float


class Ablation(Artifact):
    """ablation.json: a network trained with each balance and augmentation."""

    kind = "ablation"
    rule = "ablation"

    model: str
    variants: list[Variant]
    oracle: VariantMetrics | None
    prefixes: list[PrefixComparison]
