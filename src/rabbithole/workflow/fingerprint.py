"""The content of raw logs, apart from when they were touched."""

from pathlib import Path

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.errors import UserError
from rabbithole.io.atomic import sha256_of


class FileFingerprint(Record):
    """A file's size in bytes, its modification time in nanoseconds, and its sha256."""

    size: int
    modified: int
    sha256: str


class Fingerprints(Artifact):
    """fingerprints.json: the digests of the user's files, by absolute path."""

    kind = "fingerprints"
    rule = "events"

    files: dict[str, FileFingerprint]


def fingerprint(paths: list[Path], memory: Path) -> str:
    """Return one digest of the content of files. Only files that changed since the last call are read.

    memory: a `Fingerprints` file, which is made if it is missing or damaged. Raises OSError for a file that
    cannot be read.
    """
    try:
        known = Fingerprints.read(memory).files
    except UserError:
        known = {}
    current = {}
    for path in paths:
        facts, key = path.stat(), str(path.resolve())
        entry = known.get(key)
        if entry is None or (entry.size, entry.modified) != (facts.st_size, facts.st_mtime_ns):
            entry = FileFingerprint(size=facts.st_size, modified=facts.st_mtime_ns, sha256=sha256_of(path))
        current[key] = entry
    if any(known.get(key) != entry for key, entry in current.items()):
        Fingerprints(files={**known, **current}).write(memory)
    return "+".join(current[str(path.resolve())].sha256[:16] for path in paths)
