"""The log of Retailrocket: events of visitors, weekly snapshots of item properties, a category tree.

All files have a header; times are milliseconds since 1970 in UTC. The log has no sessions: `session_id` is
the visitor. Source: the data set's own description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rabbithole.formats.base import FileRole, HistoryName, RawFormat, SideTableRoles

if TYPE_CHECKING:
    import pyarrow as pa

    from rabbithole.formats.columns import RawColumns

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


def split_histories(properties: pa.Table) -> dict[HistoryName, pa.Table]:
    """Return the categories and the prices among the rows of `item_properties`."""
    import pyarrow.compute as pc

    def history(kind: str, column: str) -> pa.Table:
        rows = properties.filter(pc.equal(properties["property"], kind))
        return rows.select(["item", "time", "position", column]).rename_columns(
            ["item", "time", "order", "value"]
        )

    return {"category": history(CATEGORY_PROPERTY, "category"), "cost": history(PRICE_PROPERTY, "cost")}


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
            essential=(("timestamp",), ("visitorid",), ("event",)),
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
    side_tables=SideTableRoles("item_properties", split_histories, tree="category_tree"),
    holds=("visitor", "item", "category", "cost"),
)
