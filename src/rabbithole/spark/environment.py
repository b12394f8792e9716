"""Which of this machine's settings reach Spark in local mode: only those that are named."""

import os
import re
import resource
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rabbithole.errors import UserError, printable
from rabbithole.io import scratch

FOREIGN_PREFIXES = ("SPARK_", "PYSPARK_", "HADOOP_", "YARN_")
FOREIGN_NAMES = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "PYTHONSTARTUP")
"""Variables of a site's own Spark and Java. In local mode they could change master, memory, classes or
folders; a cluster may need them."""

LOCAL_ENVIRONMENT = {
    # The host's own name may not resolve, or be that of an interface that is down.
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_LOCAL_HOSTNAME": "localhost",
    # Java names files in the encoding of the locale.
    "LC_ALL": "C.UTF-8",
    # A file of the user's, such as calendar.py, in the working folder is no module of the workers.
    "PYTHONSAFEPATH": "1",
}

SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What Python makes of bytes in a path that are no text in the encoding of the locale."""

OPEN_FILES = 1024
"""Spark, its Python workers and the parts that they write hold several hundred files open."""


def foreign_variables() -> list[str]:
    """Return the variables of this machine that local mode ignores, sorted."""
    return sorted(name for name in os.environ if name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES)


@contextmanager
def local_environment() -> Iterator[None]:
    """Hide a site's own Spark and Java settings from this process and its children, inside the block."""
    before = dict(os.environ)
    for name in foreign_variables():
        del os.environ[name]
    os.environ.update(LOCAL_ENVIRONMENT)
    try:
        yield
    finally:
        _restore(before)


def _restore(before: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name not in before]:
        del os.environ[name]
    os.environ.update(before)


def raise_open_files() -> None:
    """Raise the limit of open files as far as the system allows; raises `UserError` if that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = OPEN_FILES if hard == unlimited else min(OPEN_FILES, hard)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < OPEN_FILES:
        raise UserError(
            f"Only {hard} files may be open at once, and Spark needs {OPEN_FILES}: raise the limit "
            f"(`ulimit -n {OPEN_FILES}`, or `nofile` in limits.conf)."
        )


def scratch_folder(name: str) -> AbstractContextManager[Path]:
    """Return a new temporary folder that Spark can use; raises `UserError` where it can't use TMPDIR."""
    parent = tempfile.gettempdir()
    if SURROGATE.search(parent):
        raise UserError(
            f"The folder for temporary files, {printable(parent)}, has characters in its name that "
            "can't be read under this locale. Set LC_ALL=C.UTF-8, or set TMPDIR to another folder."
        )
    if "," in parent:
        raise UserError(
            f"The folder for temporary files, {parent}, has a comma in its name, and Spark takes the comma "
            "for the end of the name. Set TMPDIR to another folder."
        )
    return scratch.scratch_folder(name)
