"""Damage files of a finished run, run the steps that read them, and report the outcome."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from step_server import Steps
from workflow_runs import ROOT, snakemake

SHELL = re.compile(r"^Shell command: (?P<command>.*python -m rabbithole step (?P<step>\S+).*) > \S+ 2>&1$")
PATH = re.compile(r"results/[^\s\"',}\]]+")
WRITTEN = re.compile(r"--(?:output|rejected|summary|history|metrics) '?(results/[^\s']+)")
READ_HISTORY = ("explain", "package-model")
"""Steps that read what other steps write under the same option."""

NOT_READ = ("results/logs", "results/benchmarks")
WITH_TIMES = ("history.json", "index.html")

DAMAGES = ("flip", "flip", "flip", "truncation", "deletion", "emptied", "zeros", "folder")
SILENT, TRACE, HANG, REFUSED, UNNAMED, HARMLESS = "silent", "trace", "hang", "refused", "unnamed", "harmless"
OUTCOMES = (REFUSED, HARMLESS, UNNAMED, SILENT, TRACE, HANG)
"""refused: in a sentence that names the file or its folder; harmless: the same results as undamaged."""


@dataclass(frozen=True)
class Step:
    """A step of a run: its name, its shell command, and what it reads and writes (files and folders)."""

    name: str
    command: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Try:
    """One damaged file, the step that read it, and what became of it. message: the step's last words."""

    step: str
    file: str
    damage: str
    outcome: str
    message: str


def steps_of(run: Path, root: Path = ROOT) -> list[Step]:
    """Return the steps of a finished run that read files of the run."""
    dry = snakemake(run, "--dry-run", "--printshellcmds", "--forceall", root=root)
    assert dry.returncode == 0, dry.stderr[-2000:]
    lines = (dry.stdout + dry.stderr).splitlines()
    steps = []
    for match in filter(None, map(SHELL.match, lines)):
        name, text = match["step"], match["command"]
        writes = () if name in READ_HISTORY else tuple(WRITTEN.findall(text))
        if name in READ_HISTORY:
            writes = tuple(re.findall(r"--output (results/\S+)", text))
        resume = re.findall(r'"folder": "(results/[^"]+)"', text)
        named = dict.fromkeys(PATH.findall(text))
        reads = [path for path in named if path not in (*writes, *resume) and not path.startswith(NOT_READ)]
        # Manifests, digests, and the origin of the book stand beside what they describe.
        beside = [
            Path(path).with_name(Path(path).name + end) for path in reads for end in (".json", ".sha256")
        ]
        beside += [Path(path).with_suffix(".json") for path in reads if path.endswith(".txt")]
        reads += [str(path) for path in beside if (run / path).is_file()]
        if reads:
            steps.append(Step(name, text, tuple(dict.fromkeys(reads)), writes))
    return steps


def files_of(run: Path, step: Step) -> list[Path]:
    """Return all files that a step may read, but hidden ones."""
    paths = [run / name for name in step.reads]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file for file in files if file.is_file() and not file.name.startswith(".")]


def damaged(content: bytes, damage: str, rng: np.random.Generator) -> bytes:
    """Return the content of a file with a flipped bit, without its end, without anything, or with zeros."""
    changed = bytearray(content)
    if damage == "flip":
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    elif damage == "truncation":
        del changed[rng.integers(len(changed)) :]
    elif damage == "zeros":
        start = int(rng.integers(len(changed)))
        changed[start : start + 512] = bytes(len(changed[start : start + 512]))
    elif damage == "emptied":
        changed.clear()
    return bytes(changed)


class Undamaged:
    """What the steps write from undamaged files. A step runs once for that, when it is first asked for."""

    def __init__(self, run: Path, scratch: Path, steps: Steps) -> None:
        self.run, self.scratch, self.steps = run, scratch, steps
        self.known: dict[Step, dict[str, bytes]] = {}

    def written(self, step: Step) -> dict[str, bytes]:
        """Return the files that a step writes, by path."""
        if step not in self.known:
            folder = copy_of(self.run, self.scratch)
            done = self.steps.run(step.command, folder)
            assert done is not None and done.returncode == 0, done
            self.known[step] = outputs(step, folder)
        return self.known[step]

    def attempt(self, step: Step, rng: np.random.Generator) -> Try:
        """Damage one file that a step reads, run the step, and return the outcome."""
        files = files_of(self.run, step)
        name = str(files[rng.integers(len(files))].relative_to(self.run))
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        folder = copy_of(self.run, self.scratch)
        file = folder / name
        content = file.read_bytes()
        if damage == "deletion" or damage == "folder":
            file.unlink()
            if damage == "folder":
                file.mkdir()
        elif content:
            changed = damaged(content, damage, rng)
            if changed == content:
                return Try(step.name, name, damage, HARMLESS, "nothing changed")
            file.write_bytes(changed)
        done = self.steps.run(step.command, folder)
        outcome, message = HANG, ""
        if done is not None:
            message = done.stdout[-2000:].strip()
            outcome = self._outcome(step, file, folder, done)
        return Try(step.name, name, damage, outcome, message)

    def _outcome(self, step: Step, file: Path, folder: Path, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode == 0:
            return HARMLESS if outputs(step, folder) == self.written(step) else SILENT
        last = done.stdout.strip().splitlines()[-1:]
        if "Traceback" in done.stdout or done.returncode < 0 or not last or not last[0].startswith("Error:"):
            return TRACE
        name = file.relative_to(folder)
        places = (name, *name.parents[:-3]) if len(name.parents) > 3 else (name,)
        return REFUSED if any(str(place) in last[0] for place in places) else UNNAMED


def copy_of(run: Path, scratch: Path) -> Path:
    """Return a fresh copy of a run's folder."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(run, scratch, ignore=shutil.ignore_patterns(".snakemake", "logs"))
    return scratch


def outputs(step: Step, folder: Path) -> dict[str, bytes]:
    """Return the files that a step wrote, by path, without those that hold times."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in _written_files(step, folder)}


def _written_files(step: Step, folder: Path) -> Iterator[Path]:
    for name in step.writes:
        path = folder / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.name not in WITH_TIMES and not file.name.startswith("."):
                yield file
