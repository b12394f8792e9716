"""The log of Retailrocket: visitors' events, weekly snapshots of item properties, a tree of categories.

All files have a header; times are milliseconds since 1970 in UTC. The log has no sessions: a visitor
stands for one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.columns import (
    RowChecks,
    parse_epoch_milliseconds,
    parse_identifier,
    parse_price,
    require_one_of,
)
from rabbithole.ingest.reading import Layout
from rabbithole.io.asof import AsOfTable

EVENTS = ["view", "addtocart", "transaction"]

CATEGORY_PROPERTY = "categoryid"
PRICE_PROPERTY = "790"
"""The property that is commonly taken for the price: the owner hashed its name."""

ROOTS = "_roots.parquet"
"""Where a folder of events or sessions keeps `roots`; readers of its rows pass it by."""

PROPERTIES = pa.schema(
    [
        ("item", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("property", pa.string()),
        ("value", pa.string()),
        ("number", pa.float64()),
        ("position", pa.int64()),
    ]
)
"""Rows of item properties as they are read."""


def parse_events(fields: pa.Table, checks: RowChecks) -> tuple[pa.Table, None]:
    """Return events without category and cost, which `Properties` adds."""
    rows = {
        "session_id": parse_identifier(fields["visitorid"], "visitorid", checks),
        "timestamp": parse_epoch_milliseconds(fields["timestamp"], "timestamp", checks),
        "event": require_one_of(fields["event"], EVENTS, "event", checks),
        "item": parse_identifier(fields["itemid"], "itemid", checks),
        "category": pa.nulls(len(fields), pa.string()),
        "cost": pa.nulls(len(fields), pa.float64()),
        "rest": fields["transactionid"],
    }
    return pa.table(rows), None


def parse_properties(fields: pa.Table, checks: RowChecks) -> tuple[pa.Table, pa.Array]:
    """Return item properties; only category and price are wanted."""
    time = parse_epoch_milliseconds(fields["timestamp"], "timestamp", checks)
    item = parse_identifier(fields["itemid"], "itemid", checks)
    kind, value = fields["property"], fields["value"]
    checks.fail(pc.equal(kind, ""), "property is empty")
    is_category, is_price = pc.equal(kind, CATEGORY_PROPERTY), pc.equal(kind, PRICE_PROPERTY)
    checks.fail(pc.and_(is_category, pc.invert(pc.ascii_is_decimal(value))), "categoryid is not a number")
    number = parse_price(pc.if_else(is_price, value, ""), "price", checks)
    rows = {"item": item, "time": time, "property": kind, "value": value, "number": number}
    return pa.table(rows), pc.or_(is_category, is_price).combine_chunks()


def parse_tree(fields: pa.Table, checks: RowChecks) -> tuple[pa.Table, None]:
    """Return the category tree: a category and its parent, empty at a root."""
    parse_identifier(fields["categoryid"], "categoryid", checks)
    parent = fields["parentid"]
    odd = pc.and_(pc.not_equal(parent, ""), pc.invert(pc.ascii_is_decimal(parent)))
    checks.fail(odd, "parentid is not a number")
    return fields, None


LAYOUTS = {
    "events": Layout(
        ("timestamp", "visitorid", "event", "itemid", "transactionid"), header=True, parse=parse_events
    ),
    "item_properties": Layout(
        ("timestamp", "itemid", "property", "value"), header=True, parse=parse_properties
    ),
    "category_tree": Layout(("categoryid", "parentid"), header=True, parse=parse_tree),
}


@dataclass(frozen=True)
class Properties:
    """What is known of items at any time, and which categories the tree holds (null: there is no tree)."""

    category: AsOfTable
    price: AsOfTable
    tree: pa.Array | None

    @classmethod
    def build(cls, properties: pa.Table, tree: pa.Array | None) -> "Properties":
        """Build from columns item, time, property, value (string), number (double), position."""
        by_kind = []
        for kind, column in ((CATEGORY_PROPERTY, "value"), (PRICE_PROPERTY, "number")):
            rows = properties.filter(pc.equal(properties["property"], kind))
            chosen = {"item": "item", "time": "time", "order": "position", "value": column}
            by_kind.append(AsOfTable.build(pa.table({new: rows[old] for new, old in chosen.items()})))
        return cls(category=by_kind[0], price=by_kind[1], tree=tree)

    def add(self, events: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        """Return the events with category and cost as of their own time, and counts of what was found."""
        times = events["timestamp"].cast(pa.int64()).to_numpy()
        category = self.category.lookup(events["item"], times, before=False)
        cost = self.price.lookup(events["item"], times, before=False)
        for name, column in (("category", category), ("cost", cost)):
            events = events.set_column(events.schema.get_field_index(name), name, column)
        counts = {
            "with_category": len(category) - category.null_count,
            "with_cost": len(cost) - cost.null_count,
        }
        if self.tree is not None:
            counts["category_in_tree"] = int(np.sum(pc.is_in(category, value_set=self.tree).to_numpy(False)))
        return events, counts


def roots(tree: pa.Table) -> pa.Table:
    """Return each category of a tree with the root above it: columns category, root (strings).

    A category whose parents the tree does not hold, or that is its own ancestor, is left out.
    """
    above = dict(zip(tree["categoryid"].to_pylist(), tree["parentid"].to_pylist(), strict=True))
    found: dict[str, str] = {}
    for category in above:
        seen, at = {category}, category
        while above.get(at) and above[at] not in seen:
            at = above[at]
            seen.add(at)
        if above.get(at) == "":
            found[category] = at
    columns = {"category": list(found), "root": list(found.values())}
    return pa.table(columns, schema=pa.schema([("category", pa.string()), ("root", pa.string())]))


def tree_facts(tree: pa.Table) -> dict[str, Any]:
    """Return how many categories and roots a category tree has."""
    return {
        "categories": len(pc.unique(tree["categoryid"])),
        "roots": int(pc.sum(pc.equal(tree["parentid"], "")).as_py()),
    }
