"""Raw files at any address that Spark's Hadoop can read (s3a://, hdfs://, ...), copied here to be read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import SparkSession

from rabbithole.errors import UserError
from rabbithole.ingest.locate import PACKED, PUBLISHED, REQUIRED, Source, by_role, is_remote, locate
from rabbithole.io.atomic import remove
from rabbithole.spark.session import SparkOptions, spark_session

FAILURES = (Py4JJavaError, CapturedException)
"""How an exception of the JVM reaches Python: as it is, or as PySpark's own."""


@contextmanager
def files_of(
    format: str, source: Source, folder: Path, options: SparkOptions
) -> Iterator[dict[str, list[Path]]]:
    """Yield role -> files of a log as `locate` does; files at an address lie in `folder` meanwhile.

    Raises `UserError` as `locate` does, or when an address can't be read.
    """
    if not is_remote(source):
        yield locate(format, source)
        return
    remove(folder)
    try:
        with spark_session(options, "events") as spark:
            given = source if isinstance(source, Mapping) else _listed(spark, format, str(source))
            copies: dict[str, list[str | Path]] = {}
            for role, addresses in by_role(format, given).items():
                copies[role] = [
                    _copied(spark, str(address), folder / f"{role}-{number}")
                    for number, address in enumerate(addresses)
                ]
            yield locate(format, copies)
    finally:
        remove(folder)


def _listed(spark: SparkSession, format: str, address: str) -> dict[str, Sequence[str | Path]]:
    """Return role -> addresses of the files that a folder holds under their published names."""
    found: dict[str, Sequence[str | Path]] = {}
    for role, names in PUBLISHED[format].items():
        packed = [[f"{address.rstrip('/')}/{name}{ending}" for ending in PACKED] for name in names]
        there = [next((one for one in choices if _exists(spark, one)), None) for choices in packed]
        if any(there):
            found[role] = [one for one in there if one is not None]
    if REQUIRED[format] not in found:
        missing = " or ".join(PUBLISHED[format][REQUIRED[format]])
        raise UserError(f"{address} holds no {missing} (plain, .gz, .zip or .7z).")
    return found


def _exists(spark: SparkSession, address: str) -> bool:
    path, system = _opened(spark, address)
    try:
        return bool(system.exists(path))
    except FAILURES as error:
        raise _refusal(address, error) from error


def _copied(spark: SparkSession, address: str, folder: Path) -> str | Path:
    if "://" not in address:
        return address
    path, system = _opened(spark, address)
    folder.mkdir(parents=True)
    copy = folder / path.getName()
    try:
        if system.exists(path) and not system.getFileStatus(path).isFile():
            raise UserError(f"{address} is a folder: give its files, or it alone as `source`.")
        # Without the file of checksums that Hadoop would write beside it.
        system.copyToLocalFile(False, path, _path(spark, str(copy.absolute())), True)
    except FAILURES as error:
        raise _refusal(address, error) from error
    return copy


def _path(spark: SparkSession, address: str) -> Any:
    return spark._jvm.org.apache.hadoop.fs.Path(address)  # type: ignore[union-attr]


def _opened(spark: SparkSession, address: str) -> tuple[Any, Any]:
    """Return the JVM's path of an address, and the file system that it belongs to."""
    if not hasattr(spark, "_jvm"):
        raise UserError(
            f"{address} can't be read through Spark Connect: copy the log to a disk that all share."
        )
    try:
        path = _path(spark, address)
        return path, path.getFileSystem(spark._jsc.hadoopConfiguration())
    except FAILURES as error:
        raise _refusal(address, error) from error


def _refusal(address: str, error: Exception) -> UserError:
    said = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
    said = said.strip().splitlines()[0]
    return UserError(
        f"{address} can't be read ({said}). Is the address right, and does Spark have its connector "
        "(spark.conf: {spark.jars.packages: ...}) and your credentials?"
    )
