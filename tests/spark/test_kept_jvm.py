"""A step leaves its JVM to the next step of its run. In most tests `cat` stands for the JVM."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rabbithole.io.scratch import locked_folder, remove_abandoned
from rabbithole.job_lifetime import PARENT, parent_id
from rabbithole.spark import kept_jvm
from rabbithole.spark.kept_jvm import Jvm, keep_jvm, take_jvm
from rabbithole.specs.data import SparkOptions

OPTIONS = SparkOptions(threads=1, memory_mb=1000)

STEP = """
import os, signal, sys
from rabbithole.spark import kept_jvm
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import SparkOptions

kept_jvm.IDLE_SECONDS = 600
with spark_session(SparkOptions(threads=1, memory_mb=1000), "step") as session:
    context = session.sparkContext.applicationId
    print(session._jvm.ProcessHandle.current().pid(), context, session.range(3).count(), flush=True)
    if sys.argv[1:] == ["fail"]:
        session._jvm.System.err.println("said by the JVM")
        raise OSError("the step fails")
    if sys.argv[1:] == ["kill"]:
        os.kill(session._jvm.ProcessHandle.current().pid(), signal.SIGKILL)
"""


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process that stands for the run's Snakemake; sockets are in a folder of the test."""
    # Pytest makes its own folders before the fixture moves the folder for temporary files.
    tmp_path_factory.getbasetemp()
    with subprocess.Popen(["sleep", "600"]) as process:
        monkeypatch.setenv(PARENT, f"{parent_id().rpartition(':')[0]}:{process.pid}")
        # A socket's path must be short.
        with tempfile.TemporaryDirectory(prefix="jvm") as folder:
            monkeypatch.setattr(tempfile, "tempdir", folder)
            monkeypatch.setenv("TMPDIR", folder)
            yield process
            process.kill()


def started() -> tuple[subprocess.Popen[bytes], Jvm]:
    folder, lock = locked_folder("spark")
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    descriptor = os.dup(process.stdin.fileno())
    process.stdin.close()
    return process, Jvm(process.pid, 1234, "secret", folder, descriptor, lock)


def await_no_files() -> None:
    deadline = time.monotonic() + 60
    while (left := list(Path(tempfile.gettempdir()).iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


@pytest.mark.usefixtures("run")
def test_a_kept_jvm_is_taken_once_and_ends_with_its_step() -> None:
    process, jvm = started()
    assert keep_jvm(jvm, OPTIONS)
    assert take_jvm(OPTIONS.model_copy(update={"memory_mb": 2000})) is None
    taken = take_jvm(OPTIONS)
    assert taken is not None and (taken.port, taken.secret) == (1234, "secret")
    # It is not taken for a folder of an ended process.
    remove_abandoned(taken.folder.parent)
    assert taken.folder.is_dir()
    assert take_jvm(OPTIONS) is None
    assert process.poll() is None
    taken.end()
    assert process.wait(60) == 0
    await_no_files()


def test_a_kept_jvm_ends_with_the_run(run: subprocess.Popen[bytes]) -> None:
    process, jvm = started()
    assert keep_jvm(jvm, OPTIONS)
    run.kill()
    assert process.wait(60) == 0
    run.wait()
    assert take_jvm(OPTIONS) is None
    await_no_files()


@pytest.mark.usefixtures("run")
def test_a_kept_jvm_ends_when_no_step_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_jvm, "IDLE_SECONDS", 0.1)
    process, jvm = started()
    assert keep_jvm(jvm, OPTIONS)
    assert process.wait(60) == 0
    await_no_files()


@pytest.mark.usefixtures("run")
def test_a_jvm_that_has_ended_is_not_taken() -> None:
    process, jvm = started()
    process.kill()
    process.wait()
    keep_jvm(jvm, OPTIONS)
    assert take_jvm(OPTIONS) is None


@pytest.mark.usefixtures("run")
def test_no_jvm_is_kept_outside_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARENT)
    process, jvm = started()
    assert not keep_jvm(jvm, OPTIONS)
    jvm.end()
    assert process.wait(60) == 0


@pytest.mark.spark
@pytest.mark.usefixtures("run")
def test_the_next_step_works_in_the_same_jvm_and_context_until_one_fails() -> None:
    def step(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", STEP, *arguments], capture_output=True, text=True, timeout=600
        )

    first, second, failed, last = step(), step(), step("fail"), step("kill")
    assert first.stdout == second.stdout == failed.stdout, first.stderr + second.stderr
    assert first.stdout.split()[2] == "3"
    assert "the step fails" in failed.stderr and "said by the JVM" in failed.stderr
    # The last one's work was done when its JVM was killed.
    assert last.returncode == 0 and last.stdout.split()[0] != first.stdout.split()[0]
    await_no_files()
