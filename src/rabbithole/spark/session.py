"""Start one Spark session for a step: sized by its threads and memory, quiet, without leftovers."""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from pyspark.sql import SparkSession

from rabbithole.errors import UserError
from rabbithole.job_lifetime import PARENT
from rabbithole.progress import report_label
from rabbithole.spark.environment import (
    OLDEST_JAVA,
    java_home,
    local_environment,
    raise_open_files,
    spark_folder,
)
from rabbithole.spark.kept_jvm import Jvm, keep_jvm, take_jvm
from rabbithole.spark.private import (
    forget_jvm,
    free_memory,
    join_context,
    started_jvm,
    stop_polling_accumulators,
)
from rabbithole.specs.data import JVM_SHARE, SparkOptions

LOGGER = logging.getLogger("rabbithole")

CLASS_ARCHIVE = Path(sys.prefix) / "spark.jsa"
"""The environment's archive of the classes that Spark loads (see `class_archive`): the JVM starts sooner."""

ALLOCATOR_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "536870912",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MIMALLOC_PURGE_DELAY": "-1",
}
"""Environment of the Python workers: glibc's and Arrow's allocators keep freed memory for the next block.
Returning it to the system and fetching it again took a tenth of a step's time."""

SERIAL_THREADS = 4
"""The most tasks at once that one thread of the JVM collects garbage for."""

CLUSTER_VARIABLE = "RABBITHOLE_SPARK"
"""Environment variable with options of a cluster that was started for this step, as JSON."""

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

JVM_LOST = {"Py4JNetworkError", "ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError"}
"""Errors of the connection to the JVM."""

_current: SparkSession | None = None


def resolve_options(options: SparkOptions) -> SparkOptions:
    """Return the options of a step; those of a cluster that was started for it override its settings.

    profiles/slurm/spark-cluster.sh starts such a cluster.
    """
    cluster = json.loads(os.environ.get(CLUSTER_VARIABLE, "{}"))
    return SparkOptions.model_validate(options.model_dump() | cluster)


@contextmanager
def spark_session(options: SparkOptions, name: str) -> Iterator[SparkSession]:
    """Yield a Spark session; a nested call in the same process yields the outer session.

    A step of a run leaves its JVM, where Spark goes on, to the next step if it ends well (see `kept_jvm`).

    Raises `UserError` when there is no Java, when Spark does not start, or when the disk is full.
    """
    global _current
    if _current is not None:
        yield _current
        return
    raise_open_files()
    taken = take_jvm(options) if options.local else None
    folder, lock = spark_folder() if taken is None else (taken.folder, taken.lock)
    log = _Log(folder / "jvm.log")
    ended_well = False
    report_label("starting Spark")
    try:
        with local_environment() if options.local else nullcontext():
            _current = _start(options, name, folder, log, taken)
            yield _current
        ended_well = True
    except UserError:
        raise
    except Exception as error:
        said = log.tail()
        if (reason := _lack(error, said, folder.parent, options)) is not None:
            raise UserError(f"{name}: {reason}") from error
        # The JVM's log explains what the Python exception may not.
        for line in said:
            LOGGER.error("spark: %s", line)
        raise
    finally:
        kept = False
        # A JVM that was killed needs no stop, and is not kept.
        with suppress(Exception):
            if ended_well and options.local and PARENT in os.environ:
                free_memory()
                kept = keep_jvm(taken or started_jvm(folder, lock), options)
        with suppress(Exception):
            if _current is not None and not kept:
                _current.stop()
        _current = None
        log.close()
        if kept or taken is not None:
            forget_jvm()
        if taken is not None and not kept:
            taken.end()
        elif not kept:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


class _Log:
    """What the JVM writes to a file during a step. descriptor: of the file."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.start = os.fstat(self.descriptor).st_size

    def tail(self, lines: int = 30) -> list[str]:
        """Return the last lines."""
        written = os.pread(self.descriptor, os.fstat(self.descriptor).st_size - self.start, self.start)
        return written.decode("utf-8", "replace").splitlines()[-lines:]

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def _lack(error: BaseException, said: Sequence[str], temporary: Path, options: SparkOptions) -> str | None:
    """Return what this machine lacks, as an error shows it; None for other errors. said: the JVM's log."""
    text, causes = str(error), [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and len(causes) < 20:
        causes.append(cause)
    if "No space left on device" in text:
        return f"no space left on the disk of the results, or of {temporary}"
    if "OutOfMemoryError" in text:
        what = "the memory of Spark's JVM is full."
    elif "Python worker exited unexpectedly" in text or "MemoryError" in text:
        what = "a Python worker of Spark was killed. Out of memory?"
    elif "reading the port number" in text and not any("Traceback" in line for line in said):
        what = "a Python worker of Spark was killed as it started. Out of memory?"
    elif {type(cause).__name__ for cause in causes} & JVM_LOST:
        what = "Spark's JVM was killed. Out of memory?"
    else:
        return None
    return (
        f"{what} Give Spark more (spark.memory_mb, {options.memory_mb} now), or "
        "fewer threads (spark.threads), which share it."
    )


def _start(options: SparkOptions, name: str, scratch: Path, log: _Log, taken: Jvm | None) -> SparkSession:
    if not options.master.startswith("sc://") and taken is None:
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
        with _output_to(log.descriptor):
            if taken is not None:
                join_context(taken)
            spark = builder.getOrCreate()
    except Exception as error:
        reason = "\n".join(log.tail()) or str(error)
        need = (
            f"{options.memory_mb} MB of memory, room in {scratch.parent}, and Java {OLDEST_JAVA} or newer"
            if options.local
            else "a master that answers"
        )
        raise UserError(
            f"Spark did not start (master {options.master}). It needs {need}; `rabbithole doctor` shows what "
            f"this machine has. Spark's log ends with:\n{reason}"
        ) from error
    if not options.master.startswith("sc://"):
        stop_polling_accumulators(spark)
    if not options.local:
        # The executors import this package.
        package = Path(__file__).parents[1]
        archive = shutil.make_archive(str(scratch / package.name), "zip", package.parent, package.name)
        spark.addArtifacts(archive, pyfile=True)
    return spark


def spark_configuration(options: SparkOptions, scratch: Path) -> dict[str, str]:
    """Return the Spark conf for the options; the user's own entries override the others."""
    logging = scratch / "log4j2.properties"
    logging.write_text(LOG_SETTINGS, "utf-8")
    # The JVM does little more than move bytes, so the fast compiler alone saves start-up time. The serial
    # collector gives memory back, but it holds up many tasks at once.
    collector = "Serial" if options.threads <= SERIAL_THREADS else "Parallel"
    java = f"-Dlog4j2.configurationFile={logging.as_uri()} -XX:+Use{collector}GC -XX:TieredStopAtLevel=1"
    # Java does not know TMPDIR. What a killed JVM leaves in this folder is removed with it.
    java += f' -Djava.io.tmpdir="{scratch}" -XX:ErrorFile="{scratch}/crash.log" -XX:-UsePerfData'
    if CLASS_ARCHIVE.exists():
        java += f' -XX:SharedArchiveFile="{CLASS_ARCHIVE}" -Xlog:disable'
    conf = {
        "spark.driver.memory": f"{max(512, int(options.memory_mb * JVM_SHARE))}m",
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
        # Rows are few and large (see `shuffle`), so generating code for them does not pay.
        "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
        "spark.sql.codegen.wholeStage": "false",
        # Shuffled rows are compressed already (see `shuffle`).
        "spark.shuffle.compress": "false",
        "spark.shuffle.spill.compress": "false",
        # A context that goes on after a step holds none of its shuffled rows.
        "spark.sql.classic.shuffleDependency.fileCleanup.enabled": "true",
    }
    if options.local:
        conf |= {
            "spark.master": f"local[{options.threads}]" if options.master == "local" else options.master,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.python.daemon.module": "rabbithole.spark.worker_daemon",
        }
    elif options.master.startswith("sc://"):
        # A Connect server has its own JVM: a client may only set session conf.
        conf = {key: value for key, value in conf.items() if key.startswith("spark.sql.session")}
        conf["spark.remote"] = options.master
    else:
        conf["spark.master"] = options.master
        conf |= {f"spark.executorEnv.{name}": value for name, value in ALLOCATOR_ENVIRONMENT.items()}
    return conf | options.conf


@contextmanager
def _output_to(descriptor: int) -> Iterator[None]:
    """Redirect this process's output to a file; a JVM that starts in the block keeps writing there.

    So a kept JVM does not hold a pipe to whoever waits for the step's output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    try:
        for number in saved:
            os.dup2(descriptor, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in saved.items():
            os.dup2(original, number)
            os.close(original)
