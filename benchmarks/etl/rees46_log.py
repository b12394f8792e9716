"""Write a log in REES46's layout, as CSV and as Parquet: `write_log(folder, rows)`.

Rows are in the order of time, as published; identifiers, shares of missing values and lengths of fields are
like those of the published log of October 2019 (sessions of 4.6 events, 167,000 items, 129 category codes,
3,400 brands).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

CHUNK_ROWS = 1_000_000
EVENTS_PER_SESSION = 4.6
SESSIONS_PER_SECOND = 3.5
ITEMS, CATEGORIES, BRANDS = 167_000, 624, 3_400
WITHOUT_CODE, WITHOUT_BRAND = 0.32, 0.14
FIRST_ITEM, FIRST_USER, FIRST_CATEGORY = 1_000_978, 512_000_000, 2_053_013_552_000_000_000


def write_log(folder: Path, rows: int) -> None:
    """Write `events.csv` and `events.parquet` with equal rows; finished files are left as they are."""
    csv, parquet = folder / "csv" / "2019-Oct.csv", folder / "parquet" / "2019-Oct.parquet"
    if csv.exists() and parquet.exists():
        return
    for path in (csv, parquet):
        path.parent.mkdir(parents=True, exist_ok=True)
    options = pyarrow.csv.WriteOptions(quoting_style="none")
    with (
        csv.with_suffix(".partial").open("wb") as text,
        pyarrow.csv.CSVWriter(text, SCHEMA, write_options=options) as lines,
        pq.ParquetWriter(parquet.with_suffix(".partial"), PARQUET_SCHEMA, compression="snappy") as groups,
    ):
        for chunk in chunks(rows):
            groups.write_table(chunk)
            times = pc.binary_join_element_wise(
                pc.strftime(chunk["event_time"], "%Y-%m-%d %H:%M:%S"), "UTC", " "
            )
            as_text = chunk.set_column(0, "event_time", times)
            lines.write_table(as_text.cast(SCHEMA))
    for path in (csv, parquet):
        path.with_suffix(".partial").replace(path)


COLUMNS = {
    "event_time": pa.string(),
    "event_type": pa.string(),
    "product_id": pa.string(),
    "category_id": pa.string(),
    "category_code": pa.string(),
    "brand": pa.string(),
    "price": pa.string(),
    "user_id": pa.string(),
    "user_session": pa.string(),
}
SCHEMA = pa.schema(COLUMNS)

PARQUET_SCHEMA = pa.schema(
    COLUMNS
    | {
        "event_time": pa.timestamp("s", "UTC"),
        "product_id": pa.int64(),
        "category_id": pa.int64(),
        "price": pa.float64(),
        "user_id": pa.int64(),
    }
)


def chunks(rows: int) -> Iterator[pa.Table]:
    """Yield tables of consecutive rows, each of sessions that begin one after another."""
    rng = np.random.default_rng(0)
    category = rng.integers(0, CATEGORIES, ITEMS)
    brand = rng.integers(0, BRANDS, ITEMS)
    price = np.round(rng.lognormal(4.9, 1.1, ITEMS), 2)
    codes = pa.array([f"department{n % 13}.group{n % 57}.kind{n % 129}" for n in range(CATEGORIES)])
    codes = pc.if_else(pa.array(rng.random(CATEGORIES) < WITHOUT_CODE), "", codes)
    brands = pa.array(["" if n < WITHOUT_BRAND * BRANDS else f"brand-{n}" for n in range(BRANDS)])
    start = np.datetime64("2019-10-01", "s").astype(np.int64)
    for first in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - first)
        sessions = max(1, int(count / EVENTS_PER_SESSION))
        session = np.sort(np.append(np.arange(sessions), rng.integers(0, sessions, count - sessions)))
        begins = start + np.sort(rng.integers(0, int(sessions / SESSIONS_PER_SECOND) + 1, sessions))
        times = begins[session] + rng.integers(0, 1200, count)
        start = int(begins[-1])
        order = np.argsort(times, kind="stable")
        session, times = session[order], times[order]
        item = np.minimum(rng.zipf(1.3, count), ITEMS) - 1
        keys = rng.bytes(16 * sessions).hex()
        names = [
            f"{k[:8]}-{k[8:12]}-{k[12:16]}-{k[16:20]}-{k[20:]}"
            for k in (keys[32 * n : 32 * n + 32] for n in range(sessions))
        ]
        kinds = np.searchsorted([0.962, 0.984], rng.random(count))
        columns = {
            "event_time": pa.array(times, pa.timestamp("s", "UTC")),
            "event_type": pa.array(["view", "cart", "purchase"]).take(pa.array(kinds)),
            "product_id": pa.array(FIRST_ITEM + item),
            "category_id": pa.array(FIRST_CATEGORY + category[item] * 7919),
            "category_code": codes.take(pa.array(category[item])),
            "brand": brands.take(pa.array(brand[item])),
            "price": pa.array(price[item]),
            "user_id": pa.array(FIRST_USER + rng.integers(0, 40_000_000, sessions)[session]),
            "user_session": pa.array(names).take(pa.array(session)),
        }
        yield pa.table(columns, PARQUET_SCHEMA)
