"""Build events, sessions and windows of simulated logs, on the disk and in a storage.

A process of its own: Spark's workers take the address of the storage's server from its environment.
"""

import sys
from pathlib import Path

import factories
from factories import BY_TIME

from rabbithole.simulator.write import simulate
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import SimulateSpec, SparkOptions

SHOPS = {"yoochoose": 1_500, "retailrocket": 3_000}
"""Sessions by shop. The costs of the first come from purchases; the second has side tables."""


def main(folder: Path, storage: str) -> None:
    """Write the folders `disk` and `stored`, in each the folders of every shop."""
    options = SparkOptions(threads=2, memory_mb=1000)
    with spark_session(options, "tests"):
        for shop, sessions in SHOPS.items():
            raw = folder / "raw" / shop
            simulate(SimulateSpec(shop=shop, sessions=sessions, seed=0), output=raw)
            for name, address in (("disk", None), ("stored", f"{storage}/{shop}")):
                paid = shop == "yoochoose"
                factories.build(
                    folder / name / shop,
                    options,
                    events=factories.events_spec(shop, raw, max_rejected=0.1),
                    sessions=factories.sessions_spec(
                        by="session" if paid else "visitor",
                        cost="purchases" if paid else "event",
                        gap_minutes=None if paid else 30,
                        split=BY_TIME,
                    ),
                    windows=factories.windows_spec(length=8),
                    storage=address,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
