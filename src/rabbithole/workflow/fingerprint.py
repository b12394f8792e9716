"""What a raw log holds, told apart from when it was touched."""

import json
from pathlib import Path

from rabbithole.io.atomic import sha256_of, write_json


def fingerprint(paths: list[Path], memory: Path) -> str:
    """Return one digest of the contents of files, reading only those that changed since the last time.

    `memory` is a JSON file that keeps the digest of each file with its size and time of change. A file that
    can't be read raises `OSError`.
    """
    known: dict[str, list[str | int]] = {}
    if memory.exists():
        try:
            known = json.loads(memory.read_text("utf-8"))
        except ValueError:
            known = {}
    before = dict(known)
    digests = []
    for path in paths:
        facts = path.stat()
        key, seen = str(path.resolve()), [facts.st_size, facts.st_mtime_ns]
        if known.get(key, [None])[:2] != seen:
            known[key] = [*seen, sha256_of(path)]
        digests.append(str(known[key][2]))
    if known != before:
        write_json(memory, known)
    return "+".join(value[:16] for value in digests)
