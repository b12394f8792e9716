"""The machine's own settings: what of them may reach Spark in local mode, and what is said of the rest."""

import calendar
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

import rabbithole
from rabbithole.errors import UserError
from rabbithole.spark.environment import local_environment, spark_folder
from rabbithole.workflow.job_options import shell_prefix

FOREIGN = {
    "SPARK_HOME": "/nonexistent",
    "SPARK_REMOTE": "sc://127.0.0.1:1",
    "PYSPARK_SUBMIT_ARGS": "--master spark://127.0.0.1:1 pyspark-shell",
    "JAVA_TOOL_OPTIONS": "-Xmx1k",
    "SPARK_LOCAL_DIRS": "/nonexistent",
    "LC_ALL": "C",
}

COUNT = """
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import SparkOptions
with spark_session(SparkOptions(threads=1, memory_mb=1024), "test") as session:
    print(session.range(7).count())
"""


@pytest.mark.spark
@pytest.mark.slow
def test_local_mode_takes_nothing_from_a_site(tmp_path: Path) -> None:
    scratch = tmp_path / "für Spark"
    scratch.mkdir()
    environment = os.environ | FOREIGN | {"TMPDIR": str(scratch)}
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", COUNT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "7", done.stderr[-2000:]
    assert not list(scratch.iterdir()), "nothing stays behind"


def test_the_environment_is_the_same_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with local_environment():
        assert not {"SPARK_HOME", "JAVA_TOOL_OPTIONS"} & set(os.environ)
    assert dict(os.environ) == before


@pytest.mark.parametrize(("folder", "words"), [("/tmp/a,b", "comma"), ("/tmp/\udcfc", "LC_ALL=C.UTF-8")])
def test_a_temporary_folder_whose_name_spark_cannot_take_is_refused(
    folder: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: folder)
    with pytest.raises(UserError, match=words):
        spark_folder()


def test_a_module_in_the_working_folder_does_not_replace_ours(tmp_path: Path) -> None:
    for name in ("calendar.py", "rabbithole.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    source = Path(__file__).parents[2] / "src"
    command = shell_prefix(source, conda=False) + "python -m rabbithole --version"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("rabbithole"), done.stderr


WORKERS = """
import pyarrow as pa
from rabbithole.spark.session import spark_session
from rabbithole.spark.shuffle import map_indexed
from rabbithole.specs.data import SparkOptions


def files(index):
    import calendar, pyspark, rabbithole

    yield pa.record_batch({"file": [module.__file__ for module in (calendar, pyspark, rabbithole)]})


with spark_session(SparkOptions(threads=1, memory_mb=1000), "test") as session:
    print(*map_indexed(session, 1, files, pa.schema([("file", pa.string())]))["file"].to_pylist(), sep="\\n")
"""


@pytest.mark.spark
def test_workers_take_the_installed_modules(tmp_path: Path) -> None:
    """Neither those of the working folder nor those of Spark's archives, which each worker would compile."""
    for name in ("calendar.py", "rabbithole.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    script = tmp_path / "scripts/run.py"
    script.parent.mkdir()
    script.write_text(WORKERS)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    expected = [calendar.__file__, pyspark.__file__, rabbithole.__file__]
    assert done.stdout.split() == expected, done.stderr
