"""Single Parquet files that are checked against a digest beside them. They may lie in storage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, sha256_of
from rabbithole.io.digests import WrittenFile, digest_path, write_digest
from rabbithole.io.storage import Part, StoredFile, StoredFolder, fetched, put


class StoredTable(BaseModel):
    """What stands on the disk, as JSON, in the place of a table that lies in storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["table in storage"] = "table in storage"
    address: str
    file: WrittenFile


def move_to_storage(table: Path, storage: str) -> None:
    """Move a table into storage; its place is taken by a `StoredTable`, with the digest of that.

    storage: the address of the folder. A table that is there under the same name is replaced. Raises
    `UserError` when the storage can't be written.
    """
    address = StoredFolder(storage).file(table.name)
    stored = StoredTable(
        address=address, file=WrittenFile(sha256=sha256_of(table), bytes=table.stat().st_size)
    )
    put(table, address)
    digest_path(table).unlink()
    with atomic_write(table) as temporary:
        temporary.write_text(stored.model_dump_json(indent=2, exclude_none=True) + "\n", "utf-8")
    write_digest(table)


def read_table(
    file: Path,
    columns: list[str] | None = None,
    filters: pc.Expression | None = None,
    *,
    optional: Sequence[str] = (),
) -> pa.Table:
    """Read a single Parquet file, from storage if it lies there, after a check against its digest.

    columns: those that must be there, None for all; optional: further ones, read if they are.
    Raises `UserError` for a damaged file, one without its digest, one that lacks a column, and for one in
    storage that is missing or changed.
    """
    advice = f"Delete it and {digest_path(file).name}, and run again."
    if not digest_path(file).exists():
        raise UserError(f"{digest_path(file)} is missing, so {file.name} cannot be checked. {advice}")
    if digest_path(file).read_bytes().partition(b" ")[0] != sha256_of(file).encode():
        raise UserError(f"{file} is damaged: its sha256 is not the one it had. {advice}")
    try:
        with fetched(_place(file)) as path:
            names = pq.read_schema(path).names
            if lacking := sorted(set(columns or ()) - set(names)):
                raise UserError(f"{file} has no column {lacking[0]!r}. {advice}")
            if columns is not None:
                columns = [*columns, *(name for name in optional if name in names)]
            return pq.read_table(path, columns=columns, filters=filters)
    except (pa.ArrowException, OSError, ValidationError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{file} is no complete Parquet file. {advice}") from error


def _place(file: Path) -> Part:
    """Return where the rows of a table are: in its file, or in storage."""
    with file.open("rb") as opened:
        if opened.read(1) != b"{":
            return file
    stored = StoredTable.model_validate_json(file.read_bytes())
    advice = f"Delete {file} and {digest_path(file).name}, and run again."
    return StoredFile(stored.address, stored.file, advice)
