"""The user's files behind a run: where they are, and digests of their content."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from time import time
from typing import NoReturn

from rabbithole.artifacts.runs import FileFingerprint, Fingerprints
from rabbithole.config.datasets import SIMULATE, Dataset
from rabbithole.config.text import Alice
from rabbithole.errors import UserError, error_text, printable
from rabbithole.ingest.hashed_ids import read_key
from rabbithole.ingest.locate import files_below, is_remote, locate, paths_of
from rabbithole.io.atomic import sha256_of
from rabbithole.specs.base import to_json
from rabbithole.specs.data import Source

BRACKETS = re.compile(r"\{[^{}]*\}|<[^<>]*>")
"""What Snakemake takes for a wildcard or a path variable in a path."""


AHEAD_SECONDS = 60
"""How far the time of a file may be ahead of this machine's clock: that of a server may differ a little."""


@dataclass(frozen=True)
class RawFiles:
    """A data set's raw files by role, and a digest of their content."""

    by_role: Mapping[str, list[Path]]
    content: str

    @property
    def paths(self) -> list[str]:
        """Return all files."""
        return list(dict.fromkeys(str(path) for paths in self.by_role.values() for path in paths))


def fingerprint(paths: list[Path], memory: Path) -> str:
    """Return one digest of the content of files. Only files that changed since the last call are read.

    memory: a `Fingerprints` file, which is made if it is missing or damaged, but not in a dry run. Raises
    OSError for a file that cannot be read, and UserError for one from the future.
    """
    kept = _kept(memory)
    known = kept.files
    current = {}
    for path in paths:
        facts, key = path.stat(), str(path.resolve())
        if facts.st_mtime > time() + AHEAD_SECONDS:
            # It would refuse what a step made of the log, after all the work.
            written = datetime.fromtimestamp(facts.st_mtime)
            raise UserError(
                f"the time of {path}, {written:%Y-%m-%d %H:%M}, is yet to come. Snakemake refuses that: "
                "give it the present time (touch), or copy it."
            )
        same = {
            "size": facts.st_size,
            "modified": facts.st_mtime_ns,
            "changed": facts.st_ctime_ns,
            "inode": facts.st_ino,
        }
        entry = known.get(key)
        if entry is None or entry.model_dump(exclude={"sha256"}) != same:
            entry = FileFingerprint(**same, sha256=sha256_of(path))
        current[key] = entry
    if any(known.get(key) != entry for key, entry in current.items()):
        _keep(Fingerprints(files={**known, **current}, logs=kept.logs), memory)
    return "+".join(current[str(path.resolve())].sha256[:16] for path in paths)


def _kept(memory: Path) -> Fingerprints:
    try:
        return Fingerprints.read(memory)
    except (UserError, OSError):
        return Fingerprints(files={})


def _keep(fingerprints: Fingerprints, memory: Path) -> None:
    # They only save time. Another command may write them now, and results may be read-only.
    if not is_dry_run():
        with suppress(OSError):
            fingerprints.write(memory)


def is_dry_run() -> bool:
    """Return whether Snakemake was asked for a dry run, which writes nothing; `-np` asks for one too."""
    dry = re.compile(r"--dry-?run|-[a-zA-Z]*n[a-zA-Z]*")
    # Run as a program, or as a module.
    is_snakemake = "snakemake" in Path(sys.argv[0]).parts[-2:]
    return is_snakemake and any(dry.fullmatch(argument) for argument in sys.argv[1:])


def dataset_files(name: str, dataset: Dataset, memory: Path) -> RawFiles:
    """Find the raw files of a data set, and the key under which its ids are hashed."""
    raw = raw_files(f"datasets.{name}.source", dataset, dataset.source, memory)
    if dataset.hash_ids is None:
        return raw
    key = Path(dataset.hash_ids)
    try:
        refuse_brackets([key])
        read_key(key)
        return RawFiles({**raw.by_role, "hash_ids": [key]}, f"{raw.content} {fingerprint([key], memory)}")
    except UserError as error:
        stop(f"datasets.{name}.{error}")


def raw_files(key: str, dataset: Dataset, source: Source, memory: Path) -> RawFiles:
    """Find the raw files of a log that is read as a data set's; those at addresses are left to its job."""
    if source == SIMULATE:
        return RawFiles({}, "simulated")
    if is_remote(source):
        return _remote_files(key, dataset, source, memory)
    try:
        files = locate(dataset.format, source, dataset.table_log)
        # An archive may hold the files of several roles.
        paths = dict.fromkeys(path for role in files.values() for path in role)
        refuse_brackets(paths)
        return RawFiles(files, fingerprint(list(paths), memory))
    except UserError as error:
        stop(f"{key}: {error}")
    except OSError as error:
        stop(f"{key}: {error.filename or source}: {error.strerror}")


def _remote_files(key: str, dataset: Dataset, source: Source, memory: Path) -> RawFiles:
    """Return a digest of a log with files at addresses: of what servers report, and of the local files.

    If a server can't be reached, its last report counts.
    """
    # Arrow's file systems take half a second to load, and most logs are local.
    from rabbithole.ingest.remote import PLAN_SECONDS, file_state, remote_files

    log = sha256(to_json(source).encode()).hexdigest()
    try:
        local = fingerprint([file for place in paths_of(source) for file in files_below(place)], memory)
    except UserError as error:
        stop(f"{key}: {error}")
    except OSError as error:
        stop(f"{key}: {error.filename or source}: {error.strerror}")
    try:
        files = remote_files(dataset.format, source, dataset.table_log, seconds=PLAN_SECONDS)
        places = [str(place) for of_role in files.values() for place in of_role if "://" in str(place)]
        states = [(place, file_state(place, PLAN_SECONDS)) for place in places]
    except (UserError, OSError) as error:
        print(printable(f"{key}: {error} It is taken to be unchanged."), file=sys.stderr)
        return RawFiles({}, _kept(memory).logs.get(log, "unknown"))
    content = sha256(to_json([states, local]).encode()).hexdigest()[:16]
    kept = _kept(memory)
    if kept.logs.get(log) != content:
        _keep(Fingerprints(files=kept.files, logs={**kept.logs, log: content}), memory)
    return RawFiles({}, content)


def book_file(alice: Alice | None, memory: Path) -> RawFiles:
    """Find the user's own book; none where it comes from an address, or no text is learned."""
    if alice is None or "://" in alice.source:
        return RawFiles({}, "fetched")
    try:
        book = Path(alice.source)
        if book.exists() and not book.is_file():
            # A pipe or a device might never end.
            stop(f"alice.source: {book} is not a file.")
        refuse_brackets([book])
        return RawFiles({"book": [book]}, fingerprint([book], memory))
    except UserError as error:
        stop(f"alice.source: {error}")
    except OSError as error:
        stop(f"alice.source: {error.filename or alice.source}: {error.strerror}")


def refuse_brackets(paths: Iterable[str | Path], key: str = "") -> None:
    """Raise `UserError` for a path in which Snakemake would fill in something else."""
    for path in paths:
        if BRACKETS.search(str(path)):
            raise UserError(
                f"{key}the path {path} holds {{...}} or <...>, which Snakemake would replace. Rename it, or "
                "name a link to it."
            )


def refuse_in_results(
    key: str, paths: Iterable[str], results: str, names: Iterable[str], simulated: Iterable[str]
) -> None:
    """Raise `UserError` for a file of the user's that lies in the results of a data set.

    names: the folders in `results` that a user may delete, to start what they hold over; simulated: those
    with a simulated log, which is no file of the user's and may be scored.
    """
    folders = {Path(results, name).resolve(): name for name in names}
    logs = {Path(results, name, "raw").resolve() for name in simulated}
    for path in paths:
        above = Path(path).resolve().parents
        if logs.isdisjoint(above) and (folder := next((folders[p] for p in above if p in folders), None)):
            raise UserError(
                f"{key}: {path} lies in {results}/{folder}, which a run writes and which may be deleted to "
                "start over. Move the file elsewhere."
            )


def refuse_no_folder(results: str) -> None:
    """Raise `UserError` for a results folder that Snakemake would take for another, or that is an address.

    An empty one would be the root of the disk, and one that begins with ~ a folder of that name.
    """
    if not results.strip() or results.startswith("~") or "://" in results or not results.isprintable():
        raise UserError(
            f"pathvars.results: {results!r} must be the path of a folder of this machine, written in full."
        )
    refuse_brackets([results], "pathvars.results: ")
    for path in (Path(results), *Path(results).parents):
        # Also true of a link that leads nowhere.
        if os.path.lexists(path) and not path.is_dir():
            what = "a link that leads to no folder" if path.is_symlink() else "a file"
            raise UserError(f"pathvars.results: {path} is {what}. Give the path of a folder.")


def stop(message: str) -> NoReturn:
    """End the process with a message instead of a stack trace; it may quote the user's settings."""
    sys.exit(error_text(message))
