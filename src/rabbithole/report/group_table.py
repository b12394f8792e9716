"""Tables of a data set's sessions by their number of events: how well each model ranks them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter

from rabbithole.artifacts.evaluation import Metrics, Ranking, RunningRanking
from rabbithole.report.headline import mean
from rabbithole.report.runs import ENSEMBLE, by_model, display_name


@dataclass(frozen=True)
class GroupCell:
    """The ranking of a group of sessions by one model, averaged over its seeds; reason: why there is no AUC.

    slope: of the calibration of running sessions.
    """

    auc: float | None
    low: float | None
    high: float | None
    average_precision: float | None
    slope: float | None
    reason: str | None


@dataclass(frozen=True)
class GroupRow:
    """Sessions with a number of events, and a cell per model, None for a model without such sessions."""

    events: str
    sessions: int
    buyers: int
    cells: list[GroupCell | None]

    @property
    def reason(self) -> str | None:
        """Return why no model has an AUC here, None if one has."""
        known = [cell for cell in self.cells if cell]
        return known[0].reason if all(cell.auc is None for cell in known) else None


FIRST_CART = "those up to the first add-to-cart"
"""Stands for the number of events of sessions at their first add-to-cart."""


@dataclass(frozen=True)
class GroupTable:
    """Rankings of sessions by number of events; names: of the models, as column heads."""

    names: list[str]
    rows: list[GroupRow]


def steps_table(metrics: dict[str, Metrics]) -> GroupTable:
    """Return the rankings of running sessions, by the number of events seen, then at their first cart."""
    table = _group_table(
        {run: {(row.steps, row.steps): row for row in values.by_steps} for run, values in metrics.items()}
    )
    carts = _group_table(
        {
            run: {(0, 0): values.at_first_cart} if values.at_first_cart else {}
            for run, values in metrics.items()
        }
    )
    return replace(table, rows=table.rows + [replace(row, events=FIRST_CART) for row in carts.rows])


def lengths_table(metrics: dict[str, Metrics]) -> GroupTable:
    """Return the rankings of ended sessions, by their number of events."""
    return _group_table(
        {run: {(row.first, row.last): row for row in values.by_length} for run, values in metrics.items()}
    )


def _group_table(groups: Mapping[str, Mapping[tuple[int, int | None], Ranking]]) -> GroupTable:
    """Return the table of rankings by run and number of events (first and last of a range).

    It leaves out ensembles, which differ little from their models here.
    """
    models = {model: runs for model, runs in by_model(groups).items() if not model.endswith(ENSEMBLE)}
    table = []
    for events in sorted({events for rankings in groups.values() for events in rankings}, key=itemgetter(0)):
        seeds = {
            model: [groups[run][events] for run in runs if events in groups[run]]
            for model, runs in models.items()
        }
        first = next(rankings[0] for rankings in seeds.values() if rankings)
        cells = [_group_cell(rankings) if rankings else None for rankings in seeds.values()]
        table.append(GroupRow(_events(*events), first.sessions, first.buyers, cells))
    return GroupTable([display_name(model) for model in models], table)


def _group_cell(seeds: list[Ranking]) -> GroupCell:
    """Return the means of a model's rankings of the same sessions."""
    aucs = [seed.auc for seed in seeds if seed.auc]
    slopes = [seed.slope for seed in seeds if isinstance(seed, RunningRanking) and seed.slope]
    return GroupCell(
        auc=mean([auc.value for auc in aucs]),
        low=mean([auc.low for auc in aucs]),
        high=mean([auc.high for auc in aucs]),
        average_precision=mean([seed.average_precision for seed in seeds]),
        slope=mean([slope.value for slope in slopes]),
        reason=seeds[0].reason,
    )


def _events(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} or more"
    return str(first) if first == last else f"{first} to {last}"
