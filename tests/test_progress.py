"""The channel on which a step says how far it is: what is written is what the display reads."""

from pathlib import Path

import numpy as np
import pytest

from rabbithole import progress
from rabbithole.models.gradient_boosting import Model, Settings
from snakemake_logger_plugin_rabbithole.run import Job


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Return a job whose step, this process, writes its progress."""
    job = Job(1, "train", "Training", str(tmp_path / "train.log"), [])
    monkeypatch.setenv(progress.VARIABLE, str(job.progress_file))
    return job


def test_the_display_reads_what_a_meter_writes(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.1, 102.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    meter = progress.Meter(4000, "sessions", label="epoch 1 of 2", whole=True)
    for done in (0, 500, 1000):
        meter.update(done)
    read = job.progress()
    assert read is not None
    assert read.fraction == 0.25
    # The second call came too soon to be written; the rate is that of the other two.
    assert read.text == "epoch 1 of 2, 25 %, 500 sessions/s"


def test_a_label_alone_has_no_numbers(job: Job) -> None:
    progress.report_label("starting Spark")
    read = job.progress()
    assert read is not None and read.text == "starting Spark"


def test_few_things_are_counted_rather_than_given_in_percent(job: Job) -> None:
    progress.Meter(16, "tasks", label="encoding").update(3)
    read = job.progress()
    assert read is not None and read.text == "encoding, 3 of 16 tasks"


def test_a_single_task_is_not_counted(job: Job) -> None:
    progress.Meter(1, "tasks", label="encoding").update(0)
    read = job.progress()
    assert read is not None and read.text == "encoding"


def test_the_end_of_a_step_leaves_no_file(job: Job) -> None:
    progress.Meter(16, "tasks").update(3)
    progress.remove_progress()
    assert job.progress() is None
    assert job.progress_file is not None and list(job.progress_file.parent.iterdir()) == []


def test_without_the_variable_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    progress.Meter(16, "tasks").update(3)
    progress.remove_progress()
    assert list(tmp_path.iterdir()) == []


def test_a_step_does_not_fail_when_its_progress_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "missing" / "train.log.progress"))
    progress.Meter(16, "tasks").update(3)


def test_the_rounds_of_the_boosting_are_followed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn has no callback for them; this fails when it prints them in another way."""
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3)).astype(np.float32)
    features[:, -1] = 0.0  # No session still runs.
    labels = (features[:, 0] > 0).astype(np.int8)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    model = Model(Settings(iterations=5, learning_rate=0.05, leaves=4), seed=0)
    model.fit_rows(features[:200], labels[:200], np.ones(200), features[200:], labels[200:])
    read = job.progress()
    assert read is not None and read.done == 4.0 and read.unit == "trees"
    assert model.estimator.verbose == 0
