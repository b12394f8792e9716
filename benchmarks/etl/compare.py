"""Compare the steps of two outputs: `python compare.py FOLDER FOLDER`; prints the rows and the result.

Compares all columns row by row. Steps at the same time in a session may differ in order: DuckDB does not
define one.
"""

import sys

import polars as pl

CALENDAR = ("hour", "weekday", "month", "week")


def steps(folder: str) -> pl.DataFrame:
    """Return one row per step (integers and text), sorted."""
    lists = ["time", "item", "category", "dwell", *CALENDAR]
    rows = pl.scan_parquet(f"{folder}/*.parquet").explode(lists)
    return (
        rows.select(
            pl.col("session").cast(pl.Int64),
            "buyer",
            pl.col("time").dt.epoch("ms"),
            pl.col("item").cast(pl.Int64),
            # Our code reads category 0 as missing.
            pl.col("category").fill_null("0"),
            (pl.col("dwell") * 1000).round().cast(pl.Int64),
            *[pl.col(name).cast(pl.Int8) for name in CALENDAR],
        )
        .sort("session", "time", "item", "category")
        .collect(engine="streaming")
    )


if __name__ == "__main__":
    ours, theirs = (steps(folder) for folder in sys.argv[1:])
    print(f"{len(ours):,} steps, {'equal' if ours.equals(theirs) else 'NOT EQUAL'}")
    sys.exit(not ours.equals(theirs))
