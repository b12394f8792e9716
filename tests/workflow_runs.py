"""Run Snakemake with the tiny configuration, also on a copy of the project that tests may change."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TINY = "tests/runs/tiny.yaml"
BOOK = (
    "\ufeffThe Project Gutenberg eBook of a book\r\n\r\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\n\r\n"
    + "'I dare say you never even spoke to Time!' 'Perhaps not,' Alice cautiously replied.\r\n" * 60
    + "\r\n*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\n"
)


def command(
    folder: Path, *arguments: str, config: Path | None = None, root: Path = ROOT, tiny: bool = True
) -> list[str]:
    """Return the command that runs Snakemake on the project at `root`, with results below `folder`."""
    paths = [root / TINY] * tiny + [config] * (config is not None)
    configs = [str(path) for path in paths]
    options = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    options += ["--directory", str(folder), "--cores", "2", "--nocolor"]
    return [*options, *arguments, *(["--configfile", *configs] if configs else [])]


def snakemake(
    folder: Path,
    *arguments: str,
    config: Path | None = None,
    root: Path = ROOT,
    tiny: bool = True,
    list_imports: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake and wait until it ends. With `list_imports`, each job lists its imports in its log."""
    full_command = command(folder, *arguments, config=config, root=root, tiny=tiny)
    environment = os.environ | ({"PYTHONPROFILEIMPORTTIME": "1"} if list_imports else {})
    return subprocess.run(full_command, capture_output=True, text=True, timeout=2400, env=environment)


def make_run_folder(folder: Path) -> Path:
    """Make a folder for a run, with a short book instead of Alice's Adventures in Wonderland."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.txt").write_bytes(BOOK.encode())
    return folder


JOB = re.compile(r"^Job \d+: (.*)$", re.MULTILINE)


@dataclass
class Copy:
    """A copy of the project and of its finished run. Tests may change both."""

    project: Path
    run: Path

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Edit a file of the project; fails if the edit has no effect."""
        path = self.project / file
        before = path.read_text("utf-8")
        after = change(before)
        assert after != before, file
        path.write_text(after, "utf-8")

    def jobs(self, config: dict[str, Any] | None = None, *targets: str) -> set[str]:
        """Return the messages of the jobs that would run."""
        overlay = None
        if config is not None:
            overlay = self.run / "overlay.yaml"
            overlay.write_text(yaml.safe_dump(config))
        done = snakemake(self.run, "--dry-run", *targets, config=overlay, root=self.project)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(JOB.findall(done.stdout + done.stderr))


def with_constant(text: str) -> str:
    """Return a module's code with an unused constant added."""
    return text + "\n\nUNUSED = 1\n"
