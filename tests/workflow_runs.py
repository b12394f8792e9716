"""Run Snakemake with the tiny configuration."""

import os
import subprocess
import sys
from pathlib import Path

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
    return subprocess.run(full_command, capture_output=True, text=True, timeout=900, env=environment)


def make_run_folder(folder: Path) -> Path:
    """Make a folder for a run, with a short book instead of Alice's Adventures in Wonderland."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.txt").write_bytes(BOOK.encode())
    return folder
