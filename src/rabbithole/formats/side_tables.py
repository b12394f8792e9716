"""Side tables of a log: category and cost of each item over time, and the tree of categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.io.asof import AsOf


@dataclass(frozen=True)
class CategoryTree:
    """A tree of categories.

    categories: the distinct categories (string); root_count: how many of them are roots; roots: the root
    of each category, columns category and root (strings).
    """

    categories: pa.Array
    root_count: int
    roots: pa.Table

    @classmethod
    def build(cls, tree: pa.Table) -> CategoryTree:
        """Build from columns category and parent (strings); the parent of a root is empty."""
        root_count = pc.sum(pc.equal(tree["parent"], ""), min_count=0).as_py()
        return cls(pc.unique(tree["category"]), root_count, category_roots(tree))


@dataclass(frozen=True)
class SideTables:
    """What a log records about its items beside the events; tree: None if the log has none."""

    category: AsOf
    cost: AsOf
    tree: CategoryTree | None

    def add_to(self, events: pa.Table) -> pa.Table:
        """Return the events with each item's category and cost as of the event's time.

        The value is that of the last snapshot at or before the event, never a later one.
        """
        times = events["timestamp"].cast(pa.int64()).to_numpy()
        for name, table in (("category", self.category), ("cost", self.cost)):
            values = table.lookup(events["item"], times, before=False)
            events = events.set_column(events.schema.get_field_index(name), name, values)
        return events

    def count_in_tree(self, categories: pa.ChunkedArray) -> int | None:
        """Count the categories that the tree contains; None if there is no tree."""
        if self.tree is None:
            return None
        return int(np.sum(pc.is_in(categories, value_set=self.tree.categories).to_numpy()))


def category_roots(tree: pa.Table) -> pa.Table:
    """Return the root of each category: columns category and root (strings).

    A category is left out if one of its ancestors is not in the tree, or if it is its own ancestor.
    """
    parents = dict(zip(tree["category"].to_pylist(), tree["parent"].to_pylist(), strict=True))
    roots: dict[str, str] = {}
    for category in parents:
        visited, ancestor = {category}, category
        while parents.get(ancestor) and parents[ancestor] not in visited:
            ancestor = parents[ancestor]
            visited.add(ancestor)
        if parents.get(ancestor) == "":
            roots[category] = ancestor
    columns = {"category": list(roots), "root": list(roots.values())}
    return pa.table(columns, schema=pa.schema([("category", pa.string()), ("root", pa.string())]))
