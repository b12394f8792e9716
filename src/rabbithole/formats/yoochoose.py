"""The log of the RecSys Challenge 2015: clicks and buys of sessions, no header, times in UTC.

Clicks are `session,timestamp,item,category`, buys `session,timestamp,item,price,quantity`; category `0` and
price `0` mean that there is none. Source: the data set's own README.
"""

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.columns import RowChecks, parse_identifier, parse_iso_time, parse_price
from rabbithole.ingest.reading import Layout


def parse_clicks(fields: pa.Table, checks: RowChecks) -> tuple[pa.Table, None]:
    """Return clicks as rows of events, all of them views without a cost."""
    category = fields["category"]
    checks.fail(pc.invert(pc.ascii_is_alnum(category)), "category is not a word or number")
    checks.fail(pc.greater(pc.binary_length(category), 20), "category has over 20 characters")
    rows = _rows(fields, checks, "view")
    none = pa.scalar(None, pa.string())
    rows["category"] = pc.if_else(pc.equal(category, "0"), none, category)
    rows["cost"] = pa.nulls(len(fields), pa.float64())
    rows["rest"] = pa.nulls(len(fields), pa.string())
    return pa.table(rows), None


def parse_buys(fields: pa.Table, checks: RowChecks) -> tuple[pa.Table, None]:
    """Return buys as rows of events, all of them transactions; their category is not in the log."""
    rows = _rows(fields, checks, "transaction")
    cost = parse_price(fields["price"], "price", checks)
    parse_identifier(fields["quantity"], "quantity", checks)
    rows["category"] = pa.nulls(len(fields), pa.string())
    rows["cost"] = pc.if_else(pc.equal(cost, 0.0), pa.scalar(None, pa.float64()), cost)
    rows["rest"] = fields["quantity"]
    return pa.table(rows), None


def _rows(fields: pa.Table, checks: RowChecks, event: str) -> dict[str, pa.ChunkedArray | pa.Array]:
    return {
        "session_id": parse_identifier(fields["session"], "session", checks),
        "timestamp": parse_iso_time(fields["timestamp"], "timestamp", checks),
        "event": pa.repeat(pa.scalar(event), len(fields)),
        "item": parse_identifier(fields["item"], "item", checks),
    }


LAYOUTS = {
    "clicks": Layout(("session", "timestamp", "item", "category"), header=False, parse=parse_clicks),
    "buys": Layout(("session", "timestamp", "item", "price", "quantity"), header=False, parse=parse_buys),
}
