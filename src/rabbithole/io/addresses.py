"""Addresses of files (s3://, gs://, abfs://, hdfs://, file://), and how to say that one can't be used.

The workflow calls this while it plans a run, so the module imports nothing large.
"""

import re
from urllib.parse import urlsplit

from rabbithole.errors import UserError, printable

STORAGE_SCHEMES = ("s3", "gs", "abfs", "abfss", "hdfs", "file")

CREDENTIALS_HINT = (
    "Check the address and your credentials in the environment (such as AWS_ACCESS_KEY_ID); hdfs:// needs "
    "HADOOP_HOME and JAVA_HOME."
)


SECRETS = re.compile(r"(?<=://)[^/@\s]*(?=@)|(?<=\?)[^\s'\"]*=[^\s'\"]*")


def without_secrets(text: str) -> str:
    """Return a text in which no address shows who signs in or how: neither a user nor a query."""
    return SECRETS.sub("...", text) if "://" in text else text


def refuse_credentials(address: str) -> None:
    """Raise `ValueError`, which does not repeat the address, if it holds a password or a key.

    The container of an Azure address (`abfss://container@account...`) and the user of an HDFS address stand
    before an @ too.
    """
    if "://" not in address:
        return
    parts = urlsplit(address)
    before, at, _ = parts.netloc.rpartition("@")
    if at and (":" in before or parts.scheme not in ("abfs", "abfss", "hdfs")):
        raise ValueError(
            "an address must hold no user name, password or key. Give these in the environment (such as "
            "AWS_ACCESS_KEY_ID) or in the usual files"
        )


def storage_address(address: str) -> str:
    """Return the address of a storage without a final slash; raise `ValueError` if it is none."""
    refuse_credentials(address)
    parts = urlsplit(address)
    if parts.scheme not in STORAGE_SCHEMES or "://" not in address:
        known = ", ".join(f"{scheme}://" for scheme in STORAGE_SCHEMES)
        raise ValueError(f"must begin with {known}. Leave it null to keep the data in the results folder")
    if parts.query or parts.fragment:
        raise ValueError(
            "must hold no ? or #. Give an endpoint and a region in the environment (such as "
            "AWS_ENDPOINT_URL and AWS_REGION)"
        )
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
        raise ValueError("a file:// address must name a folder by its whole path, such as file:///data/shop")
    if parts.scheme not in ("file", "hdfs") and not parts.netloc:
        raise ValueError(f"must name a bucket, such as {parts.scheme}://bucket/shop")
    if any(part in (".", "..") for part in parts.path.split("/")) or "//" in parts.path:
        raise ValueError("must hold no empty part, . or .. in its path")
    return address.rstrip("/")


def refused(address: str, action: str, error: BaseException) -> UserError:
    """Return the error of a file system or server as one sentence. action: read, written, ..."""
    address = without_secrets(address)
    reason = (without_secrets(str(error)).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return UserError(f"{address} can't be {action} ({printable(reason)}). {CREDENTIALS_HINT}")
