"""Whether two outputs hold the same steps: `python compare.py FOLDER FOLDER`; prints rows and the verdict.

Row by row, all columns; of steps at one time in one session the order is left open, as DuckDB gives none.
"""

import sys

import polars as pl

CALENDAR = ("hour", "weekday", "month", "week")


def steps(folder: str) -> pl.DataFrame:
    """Return a row a step: whole numbers and text, sorted."""
    lists = ["time", "item", "category", "dwell", *CALENDAR]
    rows = pl.scan_parquet(f"{folder}/*.parquet").explode(lists)
    return (
        rows.select(
            pl.col("session").cast(pl.Int64),
            "buyer",
            pl.col("time").dt.epoch("ms"),
            pl.col("item").cast(pl.Int64),
            # Ours knows category 0 for none.
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
