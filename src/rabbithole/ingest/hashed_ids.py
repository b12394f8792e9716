"""Replaces the ids of sessions and visitors by hashes under a key of the user's, as a log is read."""

import hmac
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from rabbithole.errors import UserError
from rabbithole.io.columns import whole
from rabbithole.io.parts import map_values

ID_COLUMNS = ("session_id", "visitor")

SHORTEST_KEY = 32
"""Bytes. A shorter key, or one that a person made up, can be found by trying."""

LONGEST_KEY = 65_536

HASH_DIGITS = 32
"""Hexadecimal digits that are kept of a hash: among a billion ids, two are alike by a chance of 1e-21."""

HIDDEN = "(hidden: hash_ids)"
"""Stands in the place of a line that was set aside, which may hold ids."""


def read_key(path: Path) -> bytes:
    """Read a key; raises `UserError` if the file cannot be read, or is too short or too long for a key."""
    try:
        # A device or a pipe might never end.
        size = path.stat().st_size if path.is_file() else 0
        if SHORTEST_KEY <= size <= LONGEST_KEY:
            return path.read_bytes()
    except OSError as error:
        raise UserError(f"hash_ids: {path}: {error.strerror}.") from error
    raise UserError(
        f"hash_ids: {path} is no key: a file of {SHORTEST_KEY} to {LONGEST_KEY:,} random bytes, such as "
        f"`head -c {SHORTEST_KEY} /dev/urandom > KEY` writes."
    )


@dataclass(frozen=True)
class IdHasher:
    """Hashes ids with HMAC-SHA-256 (RFC 2104) under a key. Equal ids get equal hashes."""

    key: bytes

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return rows with hashes in the place of sessions and visitors; null stays null."""
        for name in ID_COLUMNS:
            if name in rows.column_names:
                ids = whole(rows[name])
                coded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
                hashes = map_values(partial(_hash_all, self.key), coded).cast(ids.type)
                rows = rows.set_column(rows.schema.get_field_index(name), name, hashes)
        return rows


def _hash_all(key: bytes, ids: pa.Array) -> pa.Array:
    digests = (hmac.digest(key, name.encode(), "sha256") for name in ids.to_pylist())
    return pa.array([digest.hex()[:HASH_DIGITS] for digest in digests], pa.string())
