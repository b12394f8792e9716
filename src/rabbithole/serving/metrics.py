"""Prometheus metrics of a server of models, beside those that it counts itself."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector


class EventKinds(Collector):
    """Reports what became of events, by model and kind. counts: returns the counts of each model."""

    def __init__(self, counts: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        self.counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counts as one metric."""
        family = CounterMetricFamily(
            "rabbithole_event_kinds", "What became of events, by model and kind.", labels=["model", "kind"]
        )
        for model, counts in self.counts().items():
            for kind, count in sorted(counts.items()):
                family.add_metric([model, kind.replace(" ", "_")], count)
        yield family
