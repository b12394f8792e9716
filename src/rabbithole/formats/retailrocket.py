"""The log of Retailrocket: events of visitors, weekly snapshots of item properties, a category tree.

All files have a header; times are milliseconds since 1970 in UTC. The log has no sessions: `session_id` is
the visitor. Source: the data set's own description.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rabbithole.formats.base import FileRole, RawFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from rabbithole.formats.columns import RawColumns
    from rabbithole.formats.side_tables import SideTables

EVENTS = ("view", "addtocart", "transaction")

CATEGORY_PROPERTY = "categoryid"

PRICE_PROPERTY = "790"
"""The property that is commonly taken for the price: the owner hashed its name."""


def parse_events(columns: RawColumns) -> dict[str, pa.Array]:
    """Return events; their category and cost come from the side tables."""
    return {
        "session_id": columns.identifier("visitorid"),
        "timestamp": columns.epoch_milliseconds("timestamp"),
        "event": columns.one_of("event", EVENTS),
        "item": columns.identifier("itemid"),
        "rest": columns["transactionid"],
    }


def parse_properties(columns: RawColumns) -> dict[str, pa.Array]:
    """Return item properties; only categories and prices are kept."""
    time = columns.epoch_milliseconds("timestamp")
    item = columns.identifier("itemid")
    kind = columns.text("property")
    columns.digits("value", CATEGORY_PROPERTY, where=columns.is_in("property", CATEGORY_PROPERTY))
    price = columns.price("value", "price", where=columns.is_in("property", PRICE_PROPERTY))
    columns.keep(columns.is_in("property", CATEGORY_PROPERTY, PRICE_PROPERTY))
    return {"item": item, "time": time, "property": kind, "category": columns["value"], "cost": price}


def parse_tree(columns: RawColumns) -> dict[str, pa.Array]:
    """Return the category tree: each category and its parent, which is empty for a root."""
    category = columns.identifier("categoryid")
    columns.digits("parentid", where=columns.is_not_empty("parentid"))
    return {"category": category, "parent": columns["parentid"]}


def side_tables(rows: Mapping[str, pa.Table]) -> SideTables:
    """Build the side tables from the rows of `item_properties` and `category_tree`."""
    import pyarrow.compute as pc

    from rabbithole.formats.side_tables import CategoryTree, SideTables
    from rabbithole.io.asof import AsOfTable

    def history(kind: str, column: str) -> AsOfTable:
        properties = rows["item_properties"]
        table = properties.filter(pc.equal(properties["property"], kind))
        columns = table.select(["item", "time", "position", column])
        return AsOfTable.build(columns.rename_columns(["item", "time", "order", "value"]))

    tree = rows["category_tree"]
    return SideTables(
        category=history(CATEGORY_PROPERTY, "category"),
        cost=history(PRICE_PROPERTY, "cost"),
        tree=CategoryTree.build(tree) if len(tree) else None,
    )


FORMAT = RawFormat(
    name="retailrocket",
    roles=(
        FileRole(
            name="events",
            published=("events.csv",),
            columns=("timestamp", "visitorid", "event", "itemid", "transactionid"),
            header=True,
            parse=parse_events,
            required=True,
            events=True,
        ),
        FileRole(
            name="item_properties",
            published=("item_properties_part1.csv", "item_properties_part2.csv"),
            columns=("timestamp", "itemid", "property", "value"),
            header=True,
            parse=parse_properties,
        ),
        FileRole(
            name="category_tree",
            published=("category_tree.csv",),
            columns=("categoryid", "parentid"),
            header=True,
            parse=parse_tree,
        ),
    ),
    has_visitors=True,
    has_carts=True,
    defaults={
        "timezone": "America/Chicago",
        "sessions": {"by": "visitor", "cost": "event", "open_horizon_hours": 24},
    },
    simulator="retailrocket",
    simulated_session="visitor",
    side_tables=side_tables,
    holds=("visitor", "item", "category", "cost"),
)
