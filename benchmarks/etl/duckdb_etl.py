"""Raw YOOCHOOSE log to lists of steps in DuckDB: `python duckdb_etl.py RAW OUTPUT`."""

import os
import sys

import duckdb

# The faster of two ways that were tried. The other one: window functions over rows, then lists.
QUERY = """
COPY (
  WITH buys AS (
    SELECT session, min(time) AS bought FROM read_csv(getvariable('buys'), header = false, columns =
      {'session': 'BIGINT', 'time': 'TIMESTAMP', 'item': 'BIGINT', 'price': 'BIGINT', 'quantity': 'BIGINT'})
    GROUP BY session),
  clicks AS (
    SELECT clicks.*, bought FROM read_csv(getvariable('clicks'), header = false, columns =
      {'session': 'BIGINT', 'time': 'TIMESTAMP', 'item': 'BIGINT', 'category': 'VARCHAR'}) AS clicks
    LEFT JOIN buys USING (session) WHERE bought IS NULL OR clicks.time < bought),
  lists AS (
    SELECT session, any_value(bought) IS NOT NULL AS buyer,
      list({'time': time, 'item': item, 'category': category} ORDER BY time) AS steps
    FROM clicks GROUP BY session),
  cut AS (SELECT *, greatest(len(steps) - 99, 1) AS low FROM lists)
  SELECT session, buyer,
    list_transform(steps[low:], lambda x: x.time) AS time,
    list_transform(steps[low:], lambda x: x.item) AS item,
    list_transform(steps[low:], lambda x: x.category) AS category,
    list_transform(steps[low:], lambda x, i: CASE WHEN low + i > 2
      THEN epoch_ms(x.time - steps[low + i - 2].time) / 1000.0 END) AS dwell,
    list_transform(steps[low:], lambda x: hour(x.time)::TINYINT) AS hour,
    list_transform(steps[low:], lambda x: isodow(x.time)::TINYINT) AS weekday,
    list_transform(steps[low:], lambda x: month(x.time)::TINYINT) AS month,
    list_transform(steps[low:], lambda x: weekofyear(x.time)::TINYINT) AS week
  FROM cut
) TO '{output}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""


def run(raw: str, output: str) -> None:
    """Write session, buyer and the lists of the last 100 steps before the first purchase."""
    limits = {
        "threads": int(os.environ["THREADS"]),
        "memory_limit": "10GB",
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(config=limits)
    connection.execute("SET VARIABLE clicks = $1", [f"{raw}/yoochoose-clicks.dat"])
    connection.execute("SET VARIABLE buys = $1", [f"{raw}/yoochoose-buys.dat"])
    # COPY takes no parameter for its target.
    connection.execute(QUERY.replace("{output}", output.replace("'", "''")))


if __name__ == "__main__":
    run(sys.argv[1], f"{sys.argv[2]}/all.parquet")
