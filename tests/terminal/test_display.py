"""What a run shows of the events of Snakemake."""

import io
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_rabbithole import LogHandler
from snakemake_logger_plugin_rabbithole.display import PlainDisplay
from snakemake_logger_plugin_rabbithole.run import TYPICAL_SECONDS, Job, Run, about, duration

TRACE = """epoch 1
Traceback (most recent call last):
  File "train.py", line 3, in train
    fit()
ValueError: no
"""


class Session:
    """A handler without a terminal, and what it printed."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.handler = LogHandler(OutputSettings(**settings), None)
        display = self.handler.display
        assert type(display) is PlainDisplay
        self.output, self.folder = io.StringIO(), folder
        display.console = Console(file=self.output, highlight=False)

    def event(self, event: LogEvent | None, text: str = "", **facts: Any) -> None:
        """Hand a record to the handler, as Snakemake does."""
        level = logging.ERROR if event in (LogEvent.ERROR, LogEvent.JOB_ERROR) else logging.INFO
        record = logging.LogRecord("snakemake", level, "", 0, text, (), None)
        record.__dict__.update(facts, event=event)
        self.handler.emit(record)

    def start(self, number: int = 1, rule: str = "train", message: str = "Training gru on a shop") -> None:
        """Start a job with a log."""
        facts: dict[str, Any] = {"jobid": number, "rule_name": rule, "rule_msg": message}
        self.event(LogEvent.JOB_INFO, **facts, log=[str(self.log(number))], output=["out"])

    def log(self, number: int = 1) -> Path:
        """Return the log of a job."""
        return self.folder / f"{number}.log"

    def fail(self, number: int = 1, shell: str = "train it") -> None:
        """Let a job fail."""
        facts: dict[str, Any] = {"jobid": number, "rule_msg": None, "shellcmd": shell}
        self.event(LogEvent.JOB_ERROR, **facts, log=[str(self.log(number))], indent=False)

    def printed(self) -> list[str]:
        """Return the lines that were printed since the last call."""
        lines = self.output.getvalue().splitlines()
        self.output.seek(0)
        self.output.truncate()
        return lines


@pytest.fixture(autouse=True)
def _keep_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the handling of Ctrl-C to pytest."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(signal, "signal", lambda _number, _handler: None)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a run that has begun, with two steps to do."""
    monkeypatch.chdir(tmp_path)
    session = Session(tmp_path)
    session.event(LogEvent.WORKFLOW_STARTED)
    session.event(LogEvent.RUN_INFO, stats={"train": 1, "page": 1, "all": 1, "total": 3})
    return session


def test_a_step_has_a_line_at_its_start_and_one_at_its_end(session: Session) -> None:
    session.event(None, "Select jobs to execute...")
    session.start()
    session.event(LogEvent.JOB_FINISHED, job_id=1)
    assert session.printed() == [
        "2 steps to run",
        "started   Training gru on a shop",
        "finished  Training gru on a shop (0:00, 1 of 2)",
    ]


def test_lines_stay_short_whatever_the_names(session: Session) -> None:
    session.start(message="Training " + "x" * 300)
    session.event(LogEvent.JOB_FINISHED, job_id=1)
    assert max(map(len, session.printed())) <= 120


def test_a_mistake_that_a_step_names_is_all_that_is_shown(session: Session) -> None:
    session.log().write_text("reading\nError: clicks.dat:51: no valid time.\nMend the line.\n")
    session.start()
    session.printed()
    command = "Command 'set -e; train it' returned non-zero exit status 1."
    session.event(LogEvent.ERROR, f"RuleException:\nCalledProcessError in file x:\n{command}")
    session.fail()
    session.event(LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    session.handler.close()
    assert session.printed() == [
        "FAILED    Training gru on a shop after 0:00",
        "  clicks.dat:51: no valid time.",
        "  Mend the line.",
        "  Log: 1.log",
        "Failed: 0 of 2 steps done. After the fix, the same command goes on from there.",
    ]


def test_of_a_crash_the_end_of_the_log_is_shown(session: Session) -> None:
    session.log().write_text("first line\n" + "noise\n" * 20 + TRACE)
    session.start()
    session.fail()
    lines = session.printed()
    assert "  ValueError: no" in lines
    assert "  first line" not in lines


def test_a_killed_step_differs_from_one_that_failed(session: Session) -> None:
    session.log().touch()
    session.start()
    session.event(LogEvent.ERROR, "RuleException:\nCommand 'x; train it' died with <Signals.SIGKILL: 9>.")
    session.fail()
    assert any("too little memory" in line for line in session.printed())


def test_of_a_group_on_a_cluster_the_job_that_names_its_mistake_is_shown(session: Session) -> None:
    session.start(1, message="Scoring a shop")
    session.start(2, message="Evaluating a shop")
    session.log(1).write_text("scored\n")
    session.log(2).write_text("Error: no buyers.\n")
    cluster = session.folder / "slurm.log"
    cluster.write_text("slurmstepd: exit 1\n")
    facts: dict[str, Any] = {"rule_msg": None, "shellcmd": "x", "indent": True}
    jobs = [facts | {"jobid": number, "log": [str(session.log(number))]} for number in (1, 2)]
    session.event(LogEvent.GROUP_ERROR, job_error_info=jobs, aux_logs=[str(cluster)])
    for job in jobs:
        session.event(LogEvent.JOB_ERROR, **job)
    assert session.printed()[-3:] == [
        "FAILED    Scoring a shop, Evaluating a shop after 0:00",
        "  no buyers.",
        "  Log: 2.log",
    ]


def test_a_step_that_is_tried_again_has_not_failed(session: Session) -> None:
    session.log().write_text("Error: no answer.\n")
    session.start()
    session.fail()
    session.event(None, "Trying to restart job 1.")
    session.start()
    session.event(LogEvent.JOB_FINISHED, job_id=1)
    session.handler.close()
    assert "Failed" not in session.printed()[-1]


def test_the_tables_of_a_study_are_printed(session: Session) -> None:
    tables = session.folder / "leaks.md"
    tables.write_text("| probe | AUC |\n")
    facts: dict[str, Any] = {"jobid": 1, "rule_name": "leak_report", "rule_msg": "", "log": []}
    session.event(LogEvent.JOB_INFO, **facts, output=[str(tables)])
    session.event(LogEvent.JOB_FINISHED, job_id=1)
    assert session.printed()[-1] == "| probe | AUC |"


def test_what_the_workflow_itself_says_is_shown_and_warnings_are_named(session: Session) -> None:
    session.printed()
    session.event(None, "gru is trained again: its width is 32", rabbithole="note")
    record = logging.LogRecord("snakemake", logging.WARNING, "", 0, "no history", (), None)
    session.handler.emit(record)
    session.event(None, "The report: page.html\n", rabbithole="summary")
    assert session.printed() == [
        "gru is trained again: its width is 32",
        "Warning: no history",
        "The report: page.html",
    ]


def test_a_killed_step_leaves_no_progress_file(session: Session) -> None:
    session.start()
    left = Path(f"{session.log()}.progress")
    left.write_text("{}")
    session.handler.close()
    assert not left.exists()


def test_quiet_shows_errors_only(tmp_path: Path) -> None:
    from snakemake.settings.enums import Quietness

    session = Session(tmp_path, quiet={Quietness.RULES, Quietness.PROGRESS})
    session.event(LogEvent.WORKFLOW_STARTED)
    session.event(LogEvent.RUN_INFO, stats={"train": 1, "total": 1})
    session.log().write_text("Error: no.\n")
    session.start()
    session.fail()
    assert session.printed()[0].startswith("FAILED")


def ended(rule: str, seconds: float) -> Job:
    """Return a job that took some seconds."""
    return Job(0, rule, rule, None, ["out"], began=0.0, ended=seconds)


def test_the_time_left_follows_the_jobs_of_the_same_rule() -> None:
    run = Run()
    run.plan({"train": 3})
    run.finished = [ended("train", 30.0)]
    # One at a time so far: thirty seconds in thirty seconds.
    run.began -= 30.0
    left = run.remaining_seconds()
    assert left == pytest.approx(60.0, rel=0.05)


def test_the_time_left_of_other_rules_is_scaled_by_the_speed_of_this_run() -> None:
    run = Run()
    run.plan({"sessions": 1, "train": 2})
    run.finished = [ended("sessions", 10 * TYPICAL_SECONDS["sessions"])]
    run.began -= 10 * TYPICAL_SECONDS["sessions"]
    assert run.remaining_seconds() == pytest.approx(20 * TYPICAL_SECONDS["train"], rel=0.05)


def test_no_time_is_guessed_before_a_step_has_ended() -> None:
    run = Run()
    run.plan({"train": 2, "figure": 1})
    assert run.remaining_seconds() is None
    run.finished = [ended("figure", 1.0)]
    assert run.remaining_seconds() is None


def test_the_time_left_that_is_shown_does_not_jump() -> None:
    run = Run()
    run.plan({"train": 3, "windows": 1})
    run.finished = [ended("train", 30.0)]
    run.began -= 30.0
    before = run.shown_seconds()
    assert before is not None
    run.finished.append(ended("windows", 300.0))
    left, shown = run.remaining_seconds(), run.shown_seconds()
    assert left is not None and shown is not None and abs(left - before) > 2
    assert shown == pytest.approx(before, abs=1.0)
    run.began -= 60.0
    later, shown = run.remaining_seconds(), run.shown_seconds()
    assert later is not None and shown == pytest.approx(later, rel=0.05)


def test_times_are_shown_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (7.4, 750, 3723)] == ["0:07", "12:30", "1:02:03"]
    assert [about(seconds) for seconds in (12, 70, 3600, 7890)] == [
        "under a minute",
        "about 1 min",
        "about 1 h",
        "about 2 h 10 min",
    ]


@pytest.mark.parametrize("dryrun", [True, False])
def test_a_reader_that_has_left_ends_in_no_trace(dryrun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `snakemake -n | head`: what comes then is written to nowhere."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream, Path(os.devnull).open() as nowhere:
        monkeypatch.setattr(sys, "stderr", stream)
        # Rich looks at this one.
        monkeypatch.setattr(sys, "stdout", stream)
        handler = LogHandler(OutputSettings(dryrun=dryrun), None)
        for _ in range(3):
            handler.emit(logging.LogRecord("snakemake", logging.WARNING, "", 0, "text", (), None))
        assert os.path.sameopenfile(stream.fileno(), nowhere.fileno())
        monkeypatch.undo()
