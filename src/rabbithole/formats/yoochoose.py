"""The log of the RecSys Challenge 2015 (YOOCHOOSE): clicks and buys of sessions; times in UTC.

A click is `session,timestamp,item,category`, a buy `session,timestamp,item,price,quantity`; category `0` and
price `0` mean that there is none. The files have no header. Source: the data set's own README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rabbithole.formats.base import FileRole, RawFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from rabbithole.formats.columns import RawColumns


def parse_clicks(columns: RawColumns) -> dict[str, pa.Array]:
    """Return clicks as views without a cost."""
    category = columns.word("category", missing="0", longest=20)
    return {**_event(columns, "view"), "category": category}


def parse_buys(columns: RawColumns) -> dict[str, pa.Array]:
    """Return buys as transactions; their category is not in the log."""
    event = _event(columns, "transaction")
    cost = columns.price("price", zero_is_missing=True)
    return {**event, "cost": cost, "rest": columns.identifier("quantity")}


def _event(columns: RawColumns, event: str) -> dict[str, pa.Array]:
    return {
        "session_id": columns.identifier("session"),
        "timestamp": columns.iso_time("timestamp"),
        "event": columns.constant(event),
        "item": columns.identifier("item"),
    }


FORMAT = RawFormat(
    name="yoochoose",
    roles=(
        FileRole(
            name="clicks",
            published=("yoochoose-clicks.dat",),
            columns=("session", "timestamp", "item", "category"),
            header=False,
            parse=parse_clicks,
            required=True,
            events=True,
            essential=(("session",), ("timestamp",)),
        ),
        FileRole(
            name="buys",
            published=("yoochoose-buys.dat",),
            columns=("session", "timestamp", "item", "price", "quantity"),
            header=False,
            parse=parse_buys,
            events=True,
            essential=(("session",), ("timestamp",)),
        ),
    ),
    has_visitors=False,
    has_carts=False,
    defaults={
        "timezone": "UTC",
        "sessions": {"by": "session", "cost": "purchases", "open_horizon_hours": 1},
    },
    simulator="yoochoose",
    simulated_session="session",
)
