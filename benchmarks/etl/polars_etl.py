"""Raw YOOCHOOSE log to lists of steps in Polars' streaming engine: `python polars_etl.py RAW OUTPUT`."""

import os
import sys

os.environ["POLARS_MAX_THREADS"] = os.environ["THREADS"]

import polars as pl

TIME = "%Y-%m-%dT%H:%M:%S%.3fZ"
LISTS = ("time", "item", "category", "dwell", "hour", "weekday", "month", "week")


def scan(path: str, columns: dict[str, type[pl.DataType]]) -> pl.LazyFrame:
    """Read a file without a header, its times as milliseconds."""
    frame = pl.scan_csv(path, has_header=False, schema=columns)
    return frame.with_columns(pl.col("time").str.to_datetime(TIME, time_unit="ms"))


def run(raw: str, output: str) -> None:
    """Write session, buyer and the lists of the last 100 steps before the first purchase."""
    head = {"session": pl.Int64, "time": pl.String, "item": pl.Int64}
    clicks = scan(f"{raw}/yoochoose-clicks.dat", {**head, "category": pl.String})
    buys = scan(f"{raw}/yoochoose-buys.dat", {**head, "price": pl.Int64, "quantity": pl.Int64})
    bought = buys.group_by("session").agg(bought=pl.col("time").min())
    time, session = pl.col("time"), pl.col("session")
    steps = (
        clicks.join(bought, on="session", how="left")
        .filter(pl.col("bought").is_null() | (time < pl.col("bought")))
        .sort("session", "time", maintain_order=True)
        .with_columns(
            dwell=pl.when(session == session.shift()).then(time.diff().dt.total_milliseconds() / 1000),
            hour=time.dt.hour(),
            weekday=time.dt.weekday(),
            month=time.dt.month(),
            week=time.dt.week(),
        )
    )
    lists = steps.group_by("session", maintain_order=True).agg(
        buyer=pl.col("bought").first().is_not_null(), **{name: pl.col(name).tail(100) for name in LISTS}
    )
    lists.sink_parquet(output, compression="zstd", compression_level=1)


if __name__ == "__main__":
    run(sys.argv[1], f"{sys.argv[2]}/all.parquet")
