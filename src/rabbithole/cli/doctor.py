"""`rabbithole doctor`: what this machine has, whether it is enough, and what to do where it is not."""

import importlib.metadata
import locale
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from rabbithole.cli.app import SETUP, app
from rabbithole.errors import UserError
from rabbithole.io.scratch import unused_tmpdir
from rabbithole.machine import core_count, memory_bytes

GIB = 2**30
LEAST_MEMORY, LEAST_ADDRESSES, LEAST_DISK = 4 * GIB, 10 * GIB, 5 * GIB
OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)
UNWRITABLE_CACHE = (
    "Set XDG_CACHE_HOME to another folder: each run compiles again, and Snakemake may not start."
)


@dataclass(frozen=True)
class Finding:
    """One thing about the machine. advice: what to do; None if all is well."""

    subject: str
    state: str
    advice: str | None = None


def _python() -> Finding:
    version = sys.version_info[:2]
    fits = OLDEST_PYTHON <= version <= NEWEST_PYTHON
    return Finding(
        "Python",
        f"{platform.python_version()} in {sys.prefix}",
        None if fits else "Use Python 3.11, 3.12 or 3.13.",
    )


def _java() -> Finding:
    from rabbithole.spark.environment import java_in_use, local_environment

    with local_environment():
        try:
            return Finding("Java", java_in_use())
        except UserError as error:
            return Finding("Java", "none that Spark can use", str(error))


def _spark() -> Finding:
    """Start Spark as a step does, and run one task."""
    from rabbithole.spark.session import spark_session
    from rabbithole.specs.data import SparkOptions

    version = importlib.metadata.version("pyspark")
    try:
        with spark_session(SparkOptions(threads=1, memory_mb=1024), "doctor") as session:
            session.range(1).count()
    except UserError as error:
        return Finding("Spark", f"{version}, which does not start", str(error))
    return Finding("Spark", f"{version}, which starts")


def _jax() -> Finding:
    """List the devices in a process of its own, whose messages stay there."""
    from rabbithole.cli.jax_setup import refuse_bad_flags

    version = importlib.metadata.version("jax")
    try:
        refuse_bad_flags()
    except UserError as error:
        return Finding("JAX", f"{version}, which does not start", str(error))
    code = "import jax; print(', '.join(sorted({d.device_kind for d in jax.devices()})), len(jax.devices()))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [""])[-1]
        # Some errors of JAX have no message.
        said = "" if reason.isidentifier() else f"{reason} "
        return Finding(
            "JAX", f"{version}, which finds no device", f"{said}Unset JAX_PLATFORMS, or set it to cpu."
        )
    kinds, _, count = done.stdout.strip().rpartition(" ")
    gpu = shutil.which("nvidia-smi") is not None and "cpu" in kinds.lower()
    advice = "There is an NVIDIA GPU: `make ACCELERATOR=cuda` uses it." if gpu else None
    return Finding("JAX", f"{version} on {count} device{'s' * (count != '1')} ({kinds})", advice)


def _cores() -> Finding:
    return Finding("Cores", str(core_count()))


def _memory() -> Finding:
    total = memory_bytes()
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESSES:
        state = f"{total / GIB:.1f} GiB, but a process may address {limit / GIB:.1f} GiB (ulimit -v)"
        return Finding("Memory", state, "Java reserves more than it uses: `ulimit -v unlimited`.")
    advice = None if total >= LEAST_MEMORY else "The default run needs 4 GiB: use fewer cores, or less data."
    return Finding("Memory", f"{total / GIB:.1f} GiB", advice)


def _disk(subject: str, folder: Path, advice: str) -> Finding:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    state = f"{free / GIB:.1f} GiB free in {folder}" + ("" if writable else ", not writable")
    return Finding(subject, state, None if writable and free >= LEAST_DISK else advice)


def _working_folder() -> Finding:
    return _disk("Results", Path.cwd(), "A run writes results/ here: make room, or use --directory.")


def _temporary() -> Finding:
    folder = Path(tempfile.gettempdir())
    if (problem := unused_tmpdir()) is not None:
        return Finding("TMPDIR", str(folder), f"{problem} Set TMPDIR to a folder that you may write to.")
    if "," in str(folder):
        return Finding("TMPDIR", str(folder), "Spark cannot use a name with a comma: set TMPDIR.")
    return _disk("TMPDIR", folder, "Logs are unpacked here: make room, or set TMPDIR to a larger disk.")


def _open_files() -> Finding:
    from rabbithole.spark.environment import OPEN_FILES

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    enough = hard == resource.RLIM_INFINITY or hard >= OPEN_FILES
    advice = None if enough else f"Spark needs {OPEN_FILES}: `ulimit -n {OPEN_FILES}`."
    return Finding("Open files", f"{soft} (at most {most})", advice)


def _locale() -> Finding:
    encoding = locale.getpreferredencoding(False)
    names = sys.getfilesystemencoding()
    fits = names.lower().replace("-", "") == "utf8"
    return Finding("Locale", f"{encoding}, file names in {names}", None if fits else "Set LC_ALL=C.UTF-8.")


def _cache() -> Finding:
    from rabbithole.cli.jax_setup import enable_compile_cache

    enable_compile_cache()
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if folder is None:
        return Finding("Cache", "none", UNWRITABLE_CACHE)
    size = sum(path.stat().st_size for path in Path(folder).glob("*") if path.is_file())
    return Finding("Cache", f"{size / 2**20:,.0f} MiB of compiled programs in {folder}")


def _foreign_settings() -> Finding:
    from rabbithole.spark.environment import foreign_variables

    names = foreign_variables()
    return Finding(
        "Site", f"ignored in local mode: {', '.join(names)}" if names else "no settings of its own"
    )


CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _java,
    _spark,
    _jax,
    _cores,
    _memory,
    _working_folder,
    _temporary,
    _open_files,
    _locale,
    _cache,
    _foreign_settings,
)


def findings() -> Iterator[Finding]:
    """Yield what was found, check by check."""
    for check in CHECKS:
        yield check()


@app.command(rich_help_panel=SETUP)
def doctor() -> None:
    """Check this machine: Python, Java, Spark, JAX, memory, disk and settings; say what to do."""
    console, table = Console(highlight=False), Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    wrong = 0
    for finding in findings():
        text = finding.state
        if finding.advice is not None:
            wrong += 1
            text += f"\n→ {finding.advice}"
        table.add_row(("[red]✗[/red] " if finding.advice else "[green]✓[/green] ") + finding.subject, text)
    console.print(table)
    console.print("All is well." if not wrong else f"{wrong} of {len(CHECKS)} need attention.")
    if wrong:
        raise typer.Exit(1)
