"""Files at addresses: put and fetched whole, through Arrow's file systems.

Keys come from the environment or from the usual files. A request is sent again when a server is busy, silent
or cuts the connection; a wrong key or a missing bucket is refused at once.
"""

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from rabbithole.errors import UserError
from rabbithole.io.addresses import refused
from rabbithole.io.atomic import write_errors_at
from rabbithole.io.digests import WrittenFile
from rabbithole.io.file_systems import file_system
from rabbithole.io.scratch import scratch_folder

CHUNK_BYTES = 16 * 2**20

THREADS = 4
"""Files that are fetched at a time."""

PAUSES = (1.0, None)
"""Seconds before a file is put or fetched again, after each attempt."""

FINAL = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|MISSING_AUTHENTICATION|UNRECOGNIZED_CLIENT"
    r"|SIGNATURE_DOES_NOT_MATCH|INVALID_SIGNATURE|EXPIRED_TOKEN|NO_SUCH_BUCKET|RESOURCE_NOT_FOUND"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|HTTP status 40[13]|HTTP response code 40[13]"
    r"|PERMISSION_DENIED|UNAUTHENTICATED|OAuth2 access token|AuthenticationFailed|AuthorizationFailure"
    r"|ContainerNotFound|CredentialUnavailable"
)
"""Errors that the next attempt would meet again."""

STORED_PART = re.compile(r"(?:\w+/)?part-\d{5,}-\d{18}\.parquet")
"""A part that a task put into a storage, by its name in the folder. Nothing else is ever removed there."""


@dataclass(frozen=True)
class StoredFolder:
    """A folder at an address. Tasks write parts to it as to a path."""

    address: str

    def file(self, name: str) -> str:
        """Return the address of a file in the folder."""
        return f"{self.address}/{name}"


@dataclass(frozen=True)
class StoredFile:
    """A file at an address, and what it must be. advice: what to do if it isn't."""

    address: str
    written: WrittenFile
    advice: str


Result = TypeVar("Result")
Folder = Path | StoredFolder
Part = Path | StoredFile


def stored_folder(storage: str | None, folder: Path) -> StoredFolder | None:
    """Return where the files of a folder go; None: into the folder. storage: the data set's address."""
    return None if storage is None else StoredFolder(f"{storage}/{folder.name}")


def _retried(address: str, action: str, attempt: Callable[[], Result]) -> Result:
    """Return what an attempt returns, the last one at most; turn its error into one sentence."""
    for pause in PAUSES:
        try:
            return attempt()
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.filename is not None:
                # Of this machine's disk: `write_errors_at` has named the file.
                raise
            if pause is None or FINAL.search(str(error)) or isinstance(error, NotImplementedError):
                raise refused(address, action, error) from error
            time.sleep(pause)
    raise AssertionError


def put(file: Path, address: str) -> None:
    """Copy a file of this machine to an address, which nobody else writes to.

    Raises `UserError` when it can't be written.
    """

    def attempt() -> None:
        system, path = file_system(address)
        if urlsplit(address).scheme in ("file", "hdfs"):
            system.create_dir(path.rpartition("/")[0], recursive=True)
        with file.open("rb") as local, system.open_output_stream(path) as stream:
            shutil.copyfileobj(local, stream, CHUNK_BYTES)

    try:
        _retried(address, "written", attempt)
    except FileNotFoundError as error:
        raise refused(address, "written", error) from error


def fetch(part: StoredFile, copy: Path) -> None:
    """Copy a file from its address and check its content; raise `UserError` if it is missing or changed."""

    def attempt() -> str:
        digest = hashlib.sha256()
        system, path = file_system(part.address)
        with (
            system.open_input_stream(path, compression=None) as stream,
            write_errors_at(copy, copy),
            copy.open("wb") as local,
        ):
            while data := stream.read(CHUNK_BYTES):
                digest.update(data)
                local.write(data)
        return digest.hexdigest()

    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        if _retried(part.address, "read", attempt) == part.written.sha256:
            return
        # Once more: it may have been damaged on the way.
        if _retried(part.address, "read", attempt) == part.written.sha256:
            return
    except FileNotFoundError as error:
        raise UserError(f"{part.address} is missing. {part.advice}") from error
    raise UserError(f"{part.address} is damaged: its sha256 is not the one it had. {part.advice}")


def fetch_all(files: Sequence[tuple[StoredFile, Path]]) -> None:
    """Fetch files to paths, several at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(fetch, part, copy) for part, copy in files]
        try:
            for future in running:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def fetched(part: Part) -> Iterator[Path]:
    """Yield the path of a part on this machine: itself, or a copy that is removed at the end."""
    if isinstance(part, Path):
        yield part
        return
    with scratch_folder("fetched") as scratch:
        copy = scratch / part.address.rpartition("/")[2]
        fetch(part, copy)
        yield copy


def remove_stored_parts(folder: StoredFolder, keep: Collection[str] = ()) -> None:
    """Remove the parts of earlier runs and of failed attempts at an address, all but `keep`.

    Raises `UserError` when the bucket does not exist, or when it can't be read or written.
    """
    from pyarrow.fs import FileSelector, FileType

    def attempt() -> None:
        system, path = file_system(folder.address)
        bucket, in_bucket = path.split("/")[0], urlsplit(folder.address).scheme not in ("file", "hdfs")
        if in_bucket and system.get_file_info(bucket).type == FileType.NotFound:
            raise UserError(f"{folder.address} can't be written: there is no bucket {bucket!r}.")
        listed = system.get_file_info(FileSelector(path, allow_not_found=True, recursive=True))
        names = {info.path: info.path.removeprefix(path).lstrip("/") for info in listed if info.is_file}
        lost = [place for place, name in names.items() if STORED_PART.fullmatch(name) and name not in keep]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(system.delete_file, lost))

    _retried(folder.address, "written", attempt)
