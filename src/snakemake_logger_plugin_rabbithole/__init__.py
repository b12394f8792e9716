"""Snakemake's output for people: a live panel in a terminal, short plain lines elsewhere.

The default profile selects this plugin (`logger: rabbithole`). It is no part of the package `rabbithole` and
imports nothing of it: Snakemake loads plugins from the environment, and the rules load the package of their
own checkout, which may be another one. Snakemake keeps its own account of each run in `.snakemake/log`.
"""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from rich.console import Console
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_rabbithole import errors
from snakemake_logger_plugin_rabbithole.display import Display, PanelDisplay, PlainDisplay
from snakemake_logger_plugin_rabbithole.run import Job, Run, steps

KEPT_MESSAGES = (
    "Nothing to be done",
    "Trains again",
    "Trying to restart job",
    "Will exit after finishing",
    "Creating conda environment",
    "Downloading and installing remote packages",
)
"""How the messages begin that are shown during a run; all others are in Snakemake's log only."""

DROPPED_MESSAGES = ("Assuming unrestricted shared filesystem usage", "Config file ")
"""How the messages begin that are not shown before a run. Commands like --unlock answer in such messages."""


class LogHandler(LogHandlerBase):
    """Shows the events of a run.

    What a developer asks for (--verbose, --printshellcmds, --debug-dag), and dry runs that are not read in a
    terminal, look as Snakemake's own handler shows them. Errors of dry runs are shown as those of runs.
    """

    def __post_init__(self) -> None:
        """Choose how to show the run, and take over what Ctrl-C prints."""
        settings = self.common_settings
        self.stream = stream = sys.stdout if settings.stdout else sys.stderr
        self.quiet = frozenset(settings.quiet or ())
        self.snakemake: logging.Handler | None = None
        self.developer = settings.verbose or settings.printshellcmds or settings.debug_dag
        if self.developer or (settings.dryrun and not stream.isatty()):
            self.snakemake = ColorizingTextHandler(
                settings.nocolor,
                stream,
                DefaultFormatter(settings.quiet, settings.show_failed_logs),
                DefaultFilter(
                    settings.quiet,
                    settings.debug_dag,
                    settings.verbose,
                    settings.dryrun,
                    settings.printshellcmds,
                ),
            )
        console = Console(
            file=stream, no_color=True if settings.nocolor else None, highlight=False, soft_wrap=False
        )
        self.run = Run()
        self.started = False
        self.interrupted = False
        self.ended = False
        self.failed_commands: dict[str, str] = {}
        live = console.is_terminal and not settings.dryrun and not self.quiet and self.snakemake is None
        self.display: Display = PanelDisplay(console, self.run) if live else PlainDisplay(console, self.run)
        self.folder = Path.cwd()
        if self.snakemake is None:
            sys.excepthook = self._exception_hook
            # Fails outside the main thread, where nobody presses Ctrl-C.
            with contextlib.suppress(ValueError):
                self.next_handler = signal.signal(signal.SIGINT, self._interrupt)

    @property
    def writes_to_stream(self) -> bool:
        """Return that this replaces Snakemake's handler for the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Return that no file is written: Snakemake writes its own."""
        return False

    @property
    def has_filter(self) -> bool:
        """Return that all records are wanted."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Return that records are not formatted by Snakemake."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Return that the graph of the rules is not needed."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record. Called in a thread of its own, one record after the other."""
        try:
            # A dry run's error is a user's mistake too.
            error = getattr(record, "event", None) == LogEvent.ERROR and not self.developer
            if self.snakemake is not None and not error:
                self.snakemake.handle(record)
            else:
                self._show(record)
        except (BrokenPipeError, SystemExit):
            # The reader has left, as in `snakemake -n | head`. Rich exits then, which would end this thread.
            self._drop_output()
        except Exception:
            # Logging's way: prints the stack trace, and the run goes on.
            self.handleError(record)

    def _drop_output(self) -> None:
        """Write to nowhere from now on."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def close(self) -> None:
        """Say how the run ended."""
        if self.snakemake is None:
            self._end()
        super().close()

    def _end(self) -> None:
        """Show the last line, once."""
        if self.ended:
            return
        self.ended = True
        self.run.end()
        text = ""
        if self.interrupted:
            text = f"Stopped: {self.run.done_text()}. The same command goes on from there."
        elif self.run.failed:
            text = f"Failed: {self.run.done_text()}. After the fix, the same command goes on from there."
        self.display.end(text)

    def _show(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is None:
            self._message(record)
        elif event == LogEvent.WORKFLOW_STARTED:
            self.started = True
        elif action := self._actions().get(event):
            action(record)

    def _actions(self) -> dict[LogEvent, Callable[[logging.LogRecord], None]]:
        return {
            LogEvent.RUN_INFO: self._plan,
            LogEvent.JOB_INFO: self._job_started,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_failed,
            LogEvent.GROUP_ERROR: self._group_failed,
            LogEvent.ERROR: self._error,
        }

    def _plan(self, record: logging.LogRecord) -> None:
        first = not self.run.expected
        self.run.plan(record.__dict__["stats"])
        if self.common_settings.dryrun:
            # Snakemake gives the plan before and after the jobs.
            if not first:
                self.display.line(f"{steps(self.run.total)} would run. `rabbithole why` says why.")
        elif not self.quiet:
            self.display.begin()

    def _job_started(self, record: logging.LogRecord) -> None:
        job = Job.from_record(record)
        if not job.output:
            # A rule such as `all` only collects the outputs of others.
            self.run.leave_out(job)
            return
        self.run.start(job)
        if self.common_settings.dryrun:
            self.display.line(f"  {job.words}")
        elif Quietness.RULES not in self.quiet:
            self.display.job_started(job)

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.run.finish(record.__dict__["job_id"])
        if job is None or self.common_settings.dryrun:
            return
        if Quietness.PROGRESS not in self.quiet:
            self.display.job_finished(job)
            for note in job.notes():
                self.display.line(note)
        for path in job.output:
            # The tables of a study are what its user waits for.
            if path.endswith(".md"):
                self.display.text(Path(path).read_text("utf-8"))

    def _job_failed(self, record: logging.LogRecord) -> None:
        # Records of the jobs of a group are indented: the record of the group has said all.
        if not record.__dict__["indent"]:
            self._failure([errors.FailedJob.of(record.__dict__)], [])

    def _group_failed(self, record: logging.LogRecord) -> None:
        jobs = [errors.FailedJob.of(facts) for facts in record.__dict__["job_error_info"]]
        self._failure(jobs, record.__dict__["aux_logs"])

    def _failure(self, jobs: Sequence[errors.FailedJob], logs: Sequence[str]) -> None:
        """Show why jobs failed that ran as one. logs: those of their executor."""
        failed = [job for entry in jobs if (job := self.run.fail(entry.id))]
        if not self.interrupted:
            self.display.failure(
                ", ".join(job.words for job in failed),
                max((job.seconds() for job in failed), default=None),
                errors.failure(jobs, logs, self.failed_commands, self.folder),
            )

    def _error(self, record: logging.LogRecord) -> None:
        """Show an exception that Snakemake caught, if no job's failure says the same."""
        text = record.getMessage()
        if command := errors.failed_command(text):
            self.failed_commands[command.shell] = command.cause
        elif not self.interrupted and not errors.is_summary(text):
            self.display.error(errors.plain(text, sys.argv, self.folder))

    def _message(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        # What the workflow itself says to its user, in the handlers of the Snakefile.
        own = record.__dict__.get("rabbithole")
        if own == "summary":
            self.display.summary(text)
        elif own == "note":
            self.display.line(text)
        elif record.levelno >= logging.WARNING:
            if not self.interrupted and not errors.is_summary(text):
                self.display.error(text, record.levelname.capitalize())
        elif record.levelno < logging.INFO or text == "None":
            return
        elif self.started:
            if text.startswith(KEPT_MESSAGES) and Quietness.ALL not in self.quiet:
                self.display.line(text)
        elif not text.startswith(DROPPED_MESSAGES) and Quietness.ALL not in self.quiet:
            self.display.line(text)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note that the user pressed Ctrl-C, before jobs that it also reached end as if they had failed."""
        self.interrupted = True
        self.run.stopping = True
        if callable(self.next_handler):
            self.next_handler(number, frame)

    def _exception_hook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Print no stack trace for Ctrl-C before the first job or while jobs end."""
        if issubclass(kind, KeyboardInterrupt):
            self.interrupted = True
            self._end()
        else:
            sys.__excepthook__(kind, error, trace)
