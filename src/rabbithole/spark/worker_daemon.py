"""The process that starts Spark's Python workers in local mode: `python -m rabbithole.spark.worker_daemon`.

Spark puts the archives `pyspark.zip` and `py4j-*.zip` before the installed packages. Python compiles a module
of an archive each time that it is imported, and every worker imports PySpark: a second for each. So this
process takes the installed PySpark, and imports once what all its workers use.
"""

import importlib
import sys

SHARED = ("pyspark.worker", "rabbithole.spark.shuffle")
"""Modules that every worker uses. The workers are forks of this process."""


def main() -> None:
    """Start workers whenever Spark asks for one, until it ends this process."""
    sys.path[:] = [path for path in sys.path if not path.endswith(".zip")]
    importlib.invalidate_caches()
    from pyspark.daemon import manager

    for module in SHARED:
        importlib.import_module(module)
    manager()


if __name__ == "__main__":
    main()
