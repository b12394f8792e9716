"""Snakemake itself, run on a tiny configuration."""

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
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    words += ["--directory", str(folder), "--cores", "2", "--nocolor"]
    return [*words, *arguments, *(["--configfile", *configs] if configs else [])]


def snakemake(
    folder: Path,
    *arguments: str,
    config: Path | None = None,
    root: Path = ROOT,
    tiny: bool = True,
    list_imports: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run that command and wait for it; `list_imports` lets each job list its imports in its log."""
    words = command(folder, *arguments, config=config, root=root, tiny=tiny)
    environment = os.environ | ({"PYTHONPROFILEIMPORTTIME": "1"} if list_imports else {})
    return subprocess.run(words, capture_output=True, text=True, timeout=900, env=environment)


def workplace(folder: Path) -> Path:
    """Make a folder to run in, with a book in the place of Alice."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.txt").write_bytes(BOOK.encode())
    return folder
