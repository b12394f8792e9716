"""Raw YOOCHOOSE log to lists of steps in Spark's DataFrames: `python dataframe_etl.py RAW OUTPUT`.

Spark starts as for our own code, but its JVM compiles fully and compresses what it shuffles.
"""

import os
import sys
import time

from pyspark.sql import Window
from pyspark.sql import functions as F

from rabbithole.spark.session import spark_session
from rabbithole.specs.data import SparkOptions

CONF = {
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
    "spark.shuffle.compress": "true",
    "spark.sql.shuffle.partitions": "32",
    "spark.sql.parquet.compression.codec": "zstd",
}


def run(raw: str, output: str) -> None:
    """Write session, buyer and the lists of the last 100 steps before the first purchase."""
    options = SparkOptions(threads=int(os.environ["THREADS"]), memory_mb=10_000, conf=CONF)
    began = time.perf_counter()
    with spark_session(options, "benchmark") as spark:
        print(f"start-up {time.perf_counter() - began:.2f}")
        head = "session long, time timestamp, item long"
        clicks = spark.read.csv(f"{raw}/yoochoose-clicks.dat", schema=f"{head}, category string")
        buys = spark.read.csv(f"{raw}/yoochoose-buys.dat", schema=f"{head}, price long, quantity long")
        bought = buys.groupBy("session").agg(F.min("time").alias("bought"))
        moment = F.unix_micros("time")
        in_order = Window.partitionBy("session").orderBy("time")
        steps = clicks.join(bought, "session", "left").where("bought is null or time < bought")
        calendar = {
            "dwell": (moment - F.lag(moment).over(in_order)) / 1e6,
            "hour": F.hour("time").cast("byte"),
            "weekday": (F.weekday("time") + 1).cast("byte"),
            "month": F.month("time").cast("byte"),
            "week": F.weekofyear("time").cast("byte"),
        }
        # Rows arrive sorted from the window. A list keeps missing values only inside of a struct.
        names = ("time", "item", "category", *calendar)
        lists = (
            steps.withColumns(calendar)
            .groupBy("session")
            .agg(F.first("bought").isNotNull().alias("buyer"), F.collect_list(F.struct(*names)).alias("all"))
            .withColumn("last", F.expr("slice(all, greatest(size(all) - 99, 1), 100)"))
            .select("session", "buyer", *(F.col(f"last.{name}").alias(name) for name in names))
        )
        lists.write.mode("append").parquet(output)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
