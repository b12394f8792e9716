"""One Spark session for a step: sized from its threads and memory, quiet, and leaving nothing behind."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from rabbithole.errors import UserError
from rabbithole.spark.java import java_home

DRIVER_SHARE = 0.6
"""Share of a step's memory that the JVM gets; the Python workers beside it need the rest."""

PART_BYTES = 64 * 2**20
"""Raw bytes that one partition is meant to hold: small enough to sort in a worker's memory."""

CLASS_ARCHIVE = Path(sys.prefix) / "spark.jsa"
"""Where an environment keeps the classes that Spark loads (spark_archive), so that the JVM starts sooner."""

ALLOCATOR_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "536870912",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MIMALLOC_PURGE_DELAY": "-1",
}
"""Environment of the Python workers (of glibc's and Arrow's allocators): freed memory is kept for the next
block. To give it back and fetch it anew took a tenth of a step's time."""

CLUSTER_VARIABLE = "RABBITHOLE_SPARK"
"""Environment variable with the options that lead to a cluster started for this step, as JSON."""

LOG_SETTINGS = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
logger.tasks.name = org.apache.spark
logger.tasks.level = error
"""

_current: SparkSession | None = None


@dataclass(frozen=True)
class SparkOptions:
    """Where Spark runs (`local`, or any master URL), with how many threads and MB, and further conf."""

    master: str = "local"
    conf: Mapping[str, str] = field(default_factory=dict)
    threads: int = 2
    memory_mb: int = 4096

    @property
    def local(self) -> bool:
        """Return whether driver and executors are one process on this machine."""
        return self.master.startswith("local")

    def partitions(self, size: int) -> int:
        """Return how many partitions to cut `size` raw bytes into: at least one a thread."""
        return max(self.threads, -(-size // PART_BYTES))


def resolve_options(values: Mapping[str, Any]) -> SparkOptions:
    """Return a step's options, given those of its settings.

    A cluster that was started for this step (profiles/slurm/spark-cluster.sh) comes before the settings.
    """
    return SparkOptions(**{**values, **json.loads(os.environ.get(CLUSTER_VARIABLE, "{}"))})


@contextmanager
def spark_session(options: SparkOptions, name: str) -> Iterator[SparkSession]:
    """Yield a Spark session; an inner call in the same process shares the outer one's.

    Raises `UserError` when there is no Java, or when Spark doesn't start.
    """
    global _current
    if _current is not None:
        yield _current
        return
    scratch = Path(tempfile.mkdtemp(prefix="rabbithole-spark-"))
    log = scratch / "jvm.log"
    try:
        _current = _start(options, name, scratch, log)
        yield _current
    except UserError:
        raise
    except Exception as error:
        if "No space left on device" in str(error):
            raise UserError(
                f"{name}: no space left on the disk of the results, or of {scratch.parent}"
            ) from error
        # The JVM's own words explain what the Python exception may not.
        print("".join(f"spark: {line}\n" for line in _tail(log)), end="", file=sys.stderr)
        raise
    finally:
        if _current is not None:
            _current.stop()
            _current = None
        shutil.rmtree(scratch, ignore_errors=True)


def _start(options: SparkOptions, name: str, scratch: Path, log: Path) -> SparkSession:
    if not options.master.startswith("sc://"):
        home = java_home(scratch)
        os.environ.pop("JAVA_HOME", None)
        if home is not None:
            os.environ["JAVA_HOME"] = home
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.update(ALLOCATOR_ENVIRONMENT)
    builder = SparkSession.builder.appName(name)
    for key, value in spark_configuration(options, scratch).items():
        builder = builder.config(key, value)
    try:
        with _stderr_to(log):
            spark = builder.getOrCreate()
    except Exception as error:
        said = "\n".join(_tail(log)) or str(error)
        raise UserError(
            f"Spark did not start (master {options.master}); it needs Java 17 or newer and, for a cluster, "
            f"a master that answers. It said:\n{said}"
        ) from error
    if not options.master.startswith("sc://"):
        # PySpark polls for accumulators once a second, and to stop would wait for that; none is used here.
        spark.sparkContext._accumulatorServer = None  # type: ignore[assignment]
    if not options.local:
        # Tasks call this package's functions by name.
        package = Path(__file__).parents[1]
        pack = shutil.make_archive(str(scratch / package.name), "zip", package.parent, package.name)
        spark.addArtifacts(pack, pyfile=True)
    return spark


def spark_configuration(options: SparkOptions, scratch: Path) -> dict[str, str]:
    """Return the Spark conf for the options; the user's own entries come last and win."""
    logging = scratch / "log4j2.properties"
    logging.write_text(LOG_SETTINGS, "utf-8")
    # The JVM moves bytes and does little else, so its quick compiler alone starts up faster.
    java = f"-Dlog4j2.configurationFile={logging.as_uri()} -XX:+UseParallelGC -XX:TieredStopAtLevel=1"
    if CLASS_ARCHIVE.exists():
        java += f' -XX:SharedArchiveFile="{CLASS_ARCHIVE}" -Xlog:disable'
    conf = {
        "spark.driver.memory": f"{max(512, int(options.memory_mb * DRIVER_SHARE))}m",
        "spark.driver.maxResultSize": "0",
        "spark.driver.extraJavaOptions": java,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(scratch / "local"),
        "spark.jars.ivy": str(scratch / "ivy"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(options.threads),
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Few rows, and large ones (spark_tasks).
        "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
        # What is shuffled is compressed already (spark_tasks).
        "spark.shuffle.compress": "false",
        "spark.shuffle.spill.compress": "false",
    }
    if options.local:
        conf |= {
            "spark.master": f"local[{options.threads}]" if options.master == "local" else options.master,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    elif options.master.startswith("sc://"):
        # A Connect server has its own JVM: only session conf may be set from here.
        conf = {key: value for key, value in conf.items() if key.startswith("spark.sql.session")}
        conf["spark.remote"] = options.master
    else:
        conf["spark.master"] = options.master
        conf |= {f"spark.executorEnv.{name}": value for name, value in ALLOCATOR_ENVIRONMENT.items()}
    return conf | dict(options.conf)


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Send this process's stderr to a file for a while: a JVM started meanwhile keeps it for life."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def _tail(log: Path, lines: int = 30) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()[-lines:] if log.exists() else []
