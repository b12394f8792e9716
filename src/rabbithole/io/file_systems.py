"""Arrow's file systems of addresses. Keys come from the environment, from the usual files or from roles."""

import base64
import os
import re
import subprocess
import sys
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rabbithole.errors import UserError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

CONNECT_SECONDS, SILENT_SECONDS = 5, 15
"""How long a server may take to accept a connection, and how long it may be silent."""

REQUESTS = 3
"""How often Arrow sends a request that may succeed the next time."""


def file_system(address: str) -> tuple["FileSystem", str]:
    """Return the file system of an address, and the path in it. Hadoop's s3a:// is S3 too.

    An address with a query or a password sets its file system up by itself. Raises `UserError` for a
    connection string of Azure that can't be used.
    """
    from pyarrow.fs import FileSystem

    parts = urlsplit(address)
    path = f"{parts.netloc}{unquote(parts.path)}".rstrip("/")
    if not parts.query and parts.password is None:
        if parts.scheme in ("s3", "s3a") and parts.username is None:
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            return _s3(parts.netloc, os.getpid(), endpoint), path
        if parts.scheme in ("gs", "gcs") and parts.username is None:
            return _gs(os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST")), path
        if parts.scheme in ("abfs", "abfss"):
            connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
            if connection:
                # container@account... or a container alone
                container = parts.username or parts.netloc
                return _azure(os.getpid(), connection), f"{container}{unquote(parts.path)}"
            _check_azure(parts.netloc)
    return FileSystem.from_uri(address.replace("s3a://", "s3://", 1))


@lru_cache(8)
def _s3(bucket: str, process: int, endpoint: str | None) -> "FileSystem":  # noqa: ARG001 - none survives a fork
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None and endpoint is None:
        region = resolve_s3_region(bucket)
    scheme, _, host = endpoint.rpartition("://") if endpoint else ("https", "", None)
    return S3FileSystem(
        region=region,
        endpoint_override=host and host.rstrip("/"),
        scheme=scheme or "https",
        connect_timeout=CONNECT_SECONDS,
        request_timeout=SILENT_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=REQUESTS),
        allow_delayed_open=True,
    )


@lru_cache(1)
def _gs(process: int, emulator: str | None) -> "FileSystem":  # noqa: ARG001 - none survives a fork
    from pyarrow.fs import GcsFileSystem

    # By default, a request without credentials is repeated for fifteen minutes.
    patience = timedelta(seconds=SILENT_SECONDS)
    if emulator is None:
        return GcsFileSystem(retry_time_limit=patience)
    scheme, _, host = emulator.rpartition("://")
    return GcsFileSystem(
        anonymous=True, endpoint_override=host.rstrip("/"), scheme=scheme or "http", retry_time_limit=patience
    )


@lru_cache(1)
def _azure(process: int, connection: str) -> "FileSystem":  # noqa: ARG001 - none survives a fork
    from pyarrow.fs import AzureFileSystem

    keys = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    account, key = keys.get("AccountName"), keys.get("AccountKey")
    if account is None:
        raise UserError("AZURE_STORAGE_CONNECTION_STRING must hold AccountName=...")
    try:
        # A key in another form would abort the process.
        base64.b64decode(key or "", validate=True)
    except ValueError as error:
        raise UserError("AZURE_STORAGE_CONNECTION_STRING: its AccountKey is not in Base64.") from error
    options = {"account_key": key, "sas_token": keys.get("SharedAccessSignature")}
    endpoint = urlsplit(keys.get("BlobEndpoint", ""))
    # The emulator's address has the account in its path; that of a real account follows from its name.
    if endpoint.path.strip("/") == account:
        for service in ("blob", "dfs"):
            options |= {f"{service}_storage_authority": endpoint.netloc}
            options |= {f"{service}_storage_scheme": endpoint.scheme}
    return AzureFileSystem(account, **{name: value for name, value in options.items() if value})


@lru_cache(8)
def _check_azure(host: str) -> None:
    """Raise `OSError` where no credentials of Azure are found, which would abort this process."""
    ask = (
        "import sys; from pyarrow.fs import FileSystem; "
        "system, path = FileSystem.from_uri(sys.argv[1]); system.get_file_info(path)"
    )
    done = subprocess.run([sys.executable, "-c", ask, f"abfss://{host}/"], capture_output=True, text=True)
    if done.returncode < 0:
        reason = re.search(r"what\(\): +(.+)", done.stderr)
        raise OSError(reason[1] if reason else "there are no credentials")
