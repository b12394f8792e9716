"""Fetch raw files from addresses (s3://, gs://, abfss://, hdfs://, file://, http://) to a local folder."""

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs

from rabbithole.errors import UserError
from rabbithole.formats.base import FileRole, RawFormat, log_format
from rabbithole.ingest.locate import (
    PACKED,
    Files,
    Source,
    addresses_of,
    files_below,
    is_remote,
    locate,
    matches,
    paths_by_role,
)
from rabbithole.io.addresses import refuse_bad_address, refuse_cut_response, refused, without_secrets
from rabbithole.io.atomic import WRITE_ERRORS, remove, write_errors_at
from rabbithole.io.file_systems import file_system
from rabbithole.specs.data import TableLog

CHUNK_BYTES = 8 * 2**20

TIMEOUT_SECONDS = 60
"""How long an HTTP server may be silent."""

PLAN_SECONDS = 5
"""How long it may be silent while a run is planned: then the log is taken to be unchanged."""


@contextmanager
def local_files(
    format: str, source: Source, folder: Path, table: TableLog | None = None
) -> Iterator[dict[str, list[Path]]]:
    """Yield the files of a log by role, as `locate` does; fetch remote ones to `folder` for that time.

    Raises `UserError` as `locate` does, and when an address cannot be read.
    """
    if not is_remote(source):
        yield locate(format, source, table)
        return
    remove(folder)
    try:
        fetched = {
            role: [
                _fetch(str(place), folder / f"{role}-{number}") if "://" in str(place) else place
                for number, place in enumerate(places)
            ]
            for role, places in remote_files(format, source, table).items()
        }
        yield locate(format, fetched, table)
    finally:
        remove(folder)


def remote_files(
    format: str, source: Source, table: TableLog | None = None, *, seconds: float = TIMEOUT_SECONDS
) -> dict[str, list[str | Path]]:
    """Return the files of a log by role. Some are at addresses, others local.

    seconds: how long an HTTP server may be silent. Raises `UserError` when an address cannot be read, or
    names nothing that belongs to the log.
    """
    raw = log_format(format, table)
    for address in addresses_of(source):
        try:
            refuse_bad_address(address)
        except ValueError as error:
            raise UserError(f"{without_secrets(address)} can't be read: {error}.") from error
    if isinstance(source, Mapping):
        files: Files = source
    elif raw.tables is not None:
        places = source if isinstance(source, list) else [str(source)]
        below = [file for place in places for file in _files_below(str(place))]
        wanted = {role.name: [file for file in below if _may_belong(file, role)] for role in raw.roles}
        files = {role: of_role for role, of_role in wanted.items() if of_role}
    else:
        files = _published_addresses(raw, str(source), seconds)
    return paths_by_role(raw, files)


def file_state(address: str, seconds: float) -> str:
    """Return the size, time of change and entity tag that a server reports for a file.

    seconds: how long an HTTP server may be silent. Raises `UserError` when the file cannot be read.
    """
    with _refused(address):
        if _is_http(address):
            request = urllib.request.Request(address, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds) as response:
                said = [response.headers.get(name) for name in ("Content-Length", "Last-Modified", "ETag")]
            return f"{said}"
        system, path = file_system(address)
        facts = system.get_file_info(path)
        if not facts.is_file:
            raise FileNotFoundError("it is no file")
        with system.open_input_stream(path, compression=None) as stream:
            tag = stream.metadata().get(b"ETag")
        return f"{[facts.size, facts.mtime_ns, tag]}"


def _published_addresses(format: RawFormat, address: str, seconds: float) -> dict[str, list[str]]:
    """Return the addresses, by role, of the files that a remote folder holds under their published names."""
    addresses: dict[str, list[str]] = {}
    for role in format.roles:
        for name in role.published:
            choices = (f"{address.rstrip('/')}/{name}{ending}" for ending in PACKED)
            existing = next((choice for choice in choices if _kind(choice, seconds) is not None), None)
            if existing is not None:
                addresses.setdefault(role.name, []).append(existing)
        if role.required and role.name not in addresses:
            raise UserError(f"{address} holds no {' or '.join(role.published)} (plain, .gz, .zip or .7z).")
    return addresses


def _files_below(address: str) -> list[str]:
    """Return the address itself, or those of the files in the folder that it names; of a path the files."""
    if "://" not in address:
        return [str(path) for path in files_below(address)]
    if _is_http(address) or _kind(address) != "folder":
        return [address]
    with _refused(address):
        system, path = file_system(address)
        listed = system.get_file_info(pa.fs.FileSelector(path, recursive=True))
    below = [info.path.removeprefix(path).lstrip("/") for info in listed if info.is_file]
    visible = [name for name in below if not any(part[0] in "._" for part in name.split("/"))]
    return [f"{address.rstrip('/')}/{quote(name, safe='/=')}" for name in sorted(visible)]


def _may_belong(address: str, role: FileRole) -> bool:
    """Return whether a file may belong to a table: by its name, or as an archive of such files."""
    path = unquote(urlsplit(address).path) if "://" in address else address
    return matches(path, role.published) or address.endswith((".zip", ".7z"))


def _fetch(address: str, folder: Path) -> Path:
    """Copy one remote file to a folder and return its path there."""
    path = PurePosixPath(unquote(urlsplit(address).path))
    # The folders of partitions, such as day=2020-01-01, are columns.
    folder = folder.joinpath(*(part for part in path.parent.parts if "=" in part))
    copy = folder / path.name
    kind = _kind(address)
    if kind == "folder":
        raise UserError(f"{address} is a folder: give its files, or it alone as `source`.")
    if kind is None:
        raise UserError(f"{address} does not exist.")
    folder.mkdir(parents=True)
    with _refused(address), _open(address) as remote, write_errors_at(copy, copy), copy.open("wb") as local:
        shutil.copyfileobj(remote, local, CHUNK_BYTES)
        refuse_cut_response(remote)
    return copy


def _is_http(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _kind(address: str, seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Return "file" or "folder", None if the address does not exist."""
    with _refused(address):
        if _is_http(address):
            try:
                urllib.request.urlopen(
                    urllib.request.Request(address, method="HEAD"), timeout=seconds
                ).close()
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                raise
            return "file"
        system, path = file_system(address)
        kind = system.get_file_info(path).type
        names = {pa.fs.FileType.NotFound: None, pa.fs.FileType.Directory: "folder"}
        return names.get(kind, "file")


def _open(address: str) -> IO[Any]:
    if _is_http(address):
        response: IO[Any] = urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS)
        return response
    system, path = file_system(address)
    stream: IO[Any] = system.open_input_stream(path, compression=None)
    return stream


@contextmanager
def _refused(address: str) -> Iterator[None]:
    """Turn an error of the file system or the server into one sentence."""
    try:
        yield
    except (OSError, HTTPException, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno in WRITE_ERRORS and error.filename is not None:
            # Of this machine's disk: `write_errors_at` has named the file.
            raise
        raise refused(address, "read", error) from error
