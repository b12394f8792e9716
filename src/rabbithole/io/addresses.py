"""Addresses of files (s3://, gs://, abfs://, hdfs://, file://), and how to say that one can't be used.

The workflow calls this while it plans a run, so the module imports nothing large.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from rabbithole.errors import UserError, printable

STORAGE_SCHEMES = ("s3", "gs", "abfs", "abfss", "hdfs", "file")

BOOK_SCHEMES = ("http", "https", "file")

LOG_SCHEMES = (*STORAGE_SCHEMES, "s3a", "gcs", "viewfs", "http", "https")
"""What a log may be read from."""

NOT_IN_ADDRESS = re.compile(r"[^!#-;=?-\[\]_a-z~]")
"""What stands in no address as it is: control characters, blanks, quotes, brackets, braces, umlauts."""

CREDENTIALS = {
    "s3": "your credentials in the environment (such as AWS_ACCESS_KEY_ID)",
    "s3a": "your credentials in the environment (such as AWS_ACCESS_KEY_ID)",
    "gs": "your credentials (GOOGLE_APPLICATION_CREDENTIALS)",
    "gcs": "your credentials (GOOGLE_APPLICATION_CREDENTIALS)",
    "abfs": "your credentials (AZURE_STORAGE_CONNECTION_STRING, or those of the Azure tools)",
    "abfss": "your credentials (AZURE_STORAGE_CONNECTION_STRING, or those of the Azure tools)",
    "hdfs": "HADOOP_HOME and JAVA_HOME, which hdfs:// needs",
    "viewfs": "HADOOP_HOME and JAVA_HOME, which viewfs:// needs",
}
"""What to check when an address can't be used, beside the address, by scheme."""

AROUND_REASON = re.compile(
    r"google::cloud::Status\(\w+: |Retry policy exhausted, with a last message of |PerformWork\(\) - "
    r"| error_info=.*"
)
"""What Google's library writes around the reason of an error."""

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


def refuse_bad_address(address: str, schemes: Sequence[str] = LOG_SCHEMES) -> None:
    """Raise `ValueError` for what can't be an address of one of the schemes, or holds a password or a key."""
    refuse_credentials(address)
    if odd := NOT_IN_ADDRESS.search(address):
        raise ValueError(
            f"an address can't hold {odd[0]!r} as it is. Write it as {quote(odd[0])}, its code"
            if odd[0].isprintable()
            else f"an address can't hold the control character {odd[0]!r}"
        )
    parts = urlsplit(address)
    if parts.scheme not in schemes or "://" not in address:
        raise ValueError(f"an address must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
        raise ValueError("a file:// address must hold a whole path, such as file:///data/shop")
    # hdfs:/// is the file system of Hadoop's own settings.
    if parts.scheme not in ("file", "hdfs", "viewfs") and not parts.hostname:
        raise ValueError(f"an address must name a host or a bucket, such as {parts.scheme}://name/shop")
    # Raises ValueError for a malformed port.
    _ = parts.port


def storage_address(address: str) -> str:
    """Return the address of a storage without a final slash; raise `ValueError` for a malformed one."""
    if "://" not in address:
        known = ", ".join(f"{scheme}://" for scheme in STORAGE_SCHEMES)
        raise ValueError(f"must begin with {known}. Leave it null to keep the data in the results folder")
    refuse_bad_address(address, STORAGE_SCHEMES)
    parts = urlsplit(address)
    if parts.query or parts.fragment:
        raise ValueError(
            "must hold no ? or #. Give an endpoint and a region in the environment (such as "
            "AWS_ENDPOINT_URL and AWS_REGION)"
        )
    if any(part in (".", "..") for part in parts.path.split("/")) or "//" in parts.path:
        raise ValueError("must hold no empty part, . or .. in its path")
    return address.rstrip("/")


def refuse_cut_response(response: Any) -> None:
    """Raise `OSError` for an HTTP response that ended before its last byte, which Python lets pass."""
    if missing := getattr(response, "length", None):
        raise OSError(f"the connection ended {missing:,} bytes before the end of the file")


def refused(address: str, action: str, error: BaseException) -> UserError:
    """Return the error of a file system or server as one sentence. action: read, written, ..."""
    address = without_secrets(address)
    text = AROUND_REASON.sub("", without_secrets(str(error))).strip()
    reason = (text or type(error).__name__).splitlines()[0].rstrip(".")
    what = " and ".join(("the address", *filter(None, [CREDENTIALS.get(urlsplit(address).scheme)])))
    return UserError(f"{address} can't be {action} ({printable(reason)}). Check {what}.")
