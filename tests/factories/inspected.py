"""Inspect a written log, and read what is written of it."""

from pathlib import Path

from factories.shop_logs import Getter
from rabbithole.config.datasets import Dataset
from rabbithole.inspection.inspect import Inspection, inspect, load
from rabbithole.specs.table import TableSpec

STANDARD = {
    "timestamp": lambda event: event.time.isoformat(),
    "session_id": lambda event: event.session,
    "user_id": lambda event: event.visitor,
    "event_type": lambda event: event.kind,
    "product_id": lambda event: event.item,
    "category": lambda event: event.category,
    "price": lambda event: event.price,
    "brand": lambda event: event.brand,
}


def read(*files: Path) -> tuple[Inspection, Dataset, TableSpec]:
    """Return what is written for a log of one table, which must be complete and reject no row."""
    inspection = inspect([str(file) for file in files])
    assert not inspection.problem
    assert all(not mapped.rejected for mapped in inspection.mapped)
    dataset = load(inspection.name, inspection.text)
    assert dataset.table is not None
    return inspection, dataset, next(iter(dataset.table.values()))


def roles(table: TableSpec) -> dict[str, object]:
    return {
        "time": table.time.column,
        "session": table.session,
        "visitor": table.visitor,
        "event": table.event.column,
        "item": table.item,
        "cost": table.cost,
    }


def without(*names: str, **further: Getter) -> dict[str, Getter]:
    """Return the standard columns without some, and with further ones."""
    return {name: get for name, get in STANDARD.items() if name not in names} | further
