"""Show a run: as a live panel where there is a terminal, in plain lines where there is none."""

from threading import Event, RLock, Thread
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from snakemake_logger_plugin_rabbithole.errors import Reason
from snakemake_logger_plugin_rabbithole.run import Job, Run, about, duration, steps

LONGEST_LINE = 120
"""Characters of a plain line at most."""

REFRESHES = 4
"""Refreshes of the panel in a second."""


class Display(Protocol):
    """Where a run is shown."""

    def begin(self) -> None:
        """Show that the first jobs are about to start."""

    def line(self, text: str) -> None:
        """Show a message."""

    def text(self, text: str) -> None:
        """Show a text of several lines."""

    def summary(self, text: str) -> None:
        """Show what a run that ended well leads to."""

    def error(self, text: str, level: str = "Error") -> None:
        """Show what is wrong with the run as a whole. level: `Error` or `Warning`."""

    def job_started(self, job: Job) -> None:
        """Show that a job started."""

    def job_finished(self, job: Job) -> None:
        """Show that a job ended well."""

    def failure(self, words: str, seconds: float | None, reason: Reason) -> None:
        """Show that a job failed, and why."""

    def end(self, text: str) -> None:
        """Show how the run ended."""


class PlainDisplay:
    """Lines without colours, which a log file or a mail can hold."""

    def __init__(self, console: Console, run: Run) -> None:
        self.console, self.run = console, run

    def begin(self) -> None:
        """Print the size of the run."""
        self.line(f"{steps(self.run.total)} to run")

    def print(self, content: RenderableType, *, soft_wrap: bool = True) -> None:
        """Print what rich can show. soft_wrap: leave lines of any length whole."""
        self.console.print(content, soft_wrap=soft_wrap)

    def line(self, text: str) -> None:
        """Print a text as it is."""
        self.print(Text(text))

    def text(self, text: str) -> None:
        """Print a text as it is."""
        self.line(text.rstrip())

    def summary(self, text: str) -> None:
        """Print the summary."""
        self.line(text.rstrip())

    def error(self, text: str, level: str = "Error") -> None:
        """Print an error or a warning."""
        style = "yellow" if level == "Warning" else "red"
        self.print(Text(f"{level}: {text}", style))

    def job_started(self, job: Job) -> None:
        """Print a line."""
        self.line(shorten(f"started   {job.words}"))

    def job_finished(self, job: Job) -> None:
        """Print a line with the time that the job took, and the number of jobs done."""
        numbers = f"{duration(job.seconds())}, {len(self.run.finished)} of {self.run.total}"
        self.line(f"{shorten(f'finished  {job.words}', len(numbers) + 3)} ({numbers})")

    def failure(self, words: str, seconds: float | None, reason: Reason) -> None:
        """Print the failure and the path of the log."""
        after = "" if seconds is None else f" after {duration(seconds)}"
        self.print(Text(f"FAILED    {words}{after}", "bold red"))
        for line in reason.text:
            self.line(f"  {line}")
        if reason.log:
            self.line(f"  Log: {reason.log}")

    def end(self, text: str) -> None:
        """Print the last line."""
        if text:
            self.line(text)


class PanelDisplay(PlainDisplay):
    """A panel that follows the running jobs; what has ended stands in lines above it."""

    def __init__(self, console: Console, run: Run) -> None:
        super().__init__(console, run)
        self.spinners: dict[int, Spinner] = {}
        self.drawing, self.ended = RLock(), Event()
        self.live = Live(
            console=console,
            get_renderable=self.render,
            # Rich's own thread draws while a line is printed above the panel. The panel drawn last may then
            # have another height than the one that is erased next: a line is lost, or an empty one is left.
            auto_refresh=False,
            transient=True,
            # What hooks print to the standard output appears above the panel, if that is the terminal too.
            redirect_stdout=True,
        )

    def begin(self) -> None:
        """Start the panel."""
        if not self.live.is_started:
            self.live.start()
            Thread(target=self._refresh, daemon=True).start()

    def _refresh(self) -> None:
        """Draw the panel again and again, until it ends."""
        while not self.ended.wait(1 / REFRESHES):
            with self.drawing:
                self.live.refresh()

    def _remove(self) -> None:
        """Remove the panel."""
        self.ended.set()
        with self.drawing:
            self.live.stop()

    def print(self, content: RenderableType, *, soft_wrap: bool = False) -> None:
        """Print above the panel, in lines that break between words."""
        with self.drawing:
            super().print(content, soft_wrap=soft_wrap)

    def job_started(self, job: Job) -> None:
        """Do nothing: the panel shows the job."""

    def job_finished(self, job: Job) -> None:
        """Print a line above the panel."""
        self.spinners.pop(job.id, None)
        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(width=1)
        row.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        row.add_column(justify="right")
        row.add_row(Text("✓", "green"), Text(job.words), Text(duration(job.seconds()), "dim"))
        self.print(row)

    def failure(self, words: str, seconds: float | None, reason: Reason) -> None:
        """Print the failure and the path of the log above the panel."""
        after = "" if seconds is None else f" [dim]after {duration(seconds)}[/]"
        self.print(f"[bold red]✗ {escape(words)}[/]{after}")
        self.print(Padding(Text("\n".join(reason.text)), (0, 0, 0, 2)))
        if reason.log:
            self.print(Text(f"  Log: {reason.log}", "dim"), soft_wrap=True)

    def summary(self, text: str) -> None:
        """Remove the panel, then print the summary, apart from the lines above it: nothing comes after it."""
        self._remove()
        done = f"{steps(len(self.run.finished))} in {duration(self.run.elapsed())}"
        self.console.print(Text(f"\n{done}\n", "bold green"))
        super().summary(text)

    def end(self, text: str) -> None:
        """Remove the panel and print the last line."""
        self._remove()
        if text:
            self.console.print(Text(text, "bold"))

    def render(self) -> RenderableType:
        """Return the panel: a line for the run, and one for each running job."""
        run = self.run
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        facts = [f"{len(run.finished)} of {steps(run.total)}", duration(run.elapsed())]
        if run.stopping:
            facts.append("stopping")
        elif (seconds := run.shown_seconds()) is not None:
            facts.append(f"{about(seconds)} left")
        head.add_row(
            ProgressBar(total=max(1, run.total), completed=len(run.finished)), Text(" · ".join(facts), "bold")
        )
        rows = Table.grid(expand=True, padding=(0, 1))
        rows.add_column(width=1)
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        rows.add_column(no_wrap=True, overflow="ellipsis", justify="right")
        rows.add_column(no_wrap=True, justify="right")
        for job in list(run.running.values()):
            spinner = self.spinners.setdefault(job.id, Spinner("dots", style="cyan"))
            progress = job.progress()
            rows.add_row(
                spinner,
                Text(job.words),
                Text(progress.text if progress else "", "cyan"),
                Text(duration(job.seconds()), "dim"),
            )
        return Group(Text(), head, rows)


def shorten(text: str, reserved: int = 0) -> str:
    """Return a text that leaves room for `reserved` characters in a plain line."""
    longest = LONGEST_LINE - reserved
    return text if len(text) <= longest else text[: longest - 1] + "…"
