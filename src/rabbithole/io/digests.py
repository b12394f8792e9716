"""Digests of files, and checks against them: what was damaged on the disk is refused before it is used."""

import hashlib
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rabbithole.errors import UserError
from rabbithole.io.atomic import remove, sha256_of

THREADS = 4
"""Files that are read at a time. Hashing keeps no other Python code waiting."""

TIMESTAMP, PARTIAL = ".snakemake_timestamp", ".partial"

DIGEST_SUFFIX = ".sha256"

COMMENT = "<!-- sha256 "

ATTEMPT = re.compile(r"(.*part-\d+)-\d+\.parquet")
"""A part that a task wrote, and the name that all attempts at this part share."""


class WrittenFile(BaseModel):
    """A complete file. sha256: in hex; bytes: its size; rows: those of a part, None for other files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    bytes: int
    rows: int | None = None


def digests_of(folder: Path, *, without: Collection[str] = ()) -> dict[str, str]:
    """Return the sha256 of each file below a folder, by its path in the folder.

    What Snakemake and killed runs leave does not count. without: paths of other files in the folder that do
    not count.
    """
    return _digests(folder, _names(folder) - set(without))


def _digests(folder: Path, files: Collection[str]) -> dict[str, str]:
    names = sorted(files)
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(names, pool.map(sha256_of, [folder / name for name in names]), strict=True))


def check_digests(
    folder: Path, digests: Mapping[str, str], advice: str, *, without: Collection[str] = ()
) -> None:
    """Check that a folder holds the files that `digests_of` saw, unchanged, and no others.

    New files whose name begins with `_` are passed over: nobody reads them. So are other attempts at a part
    that `digests` names. advice: what to do, the end of the message. Raises `UserError` that names the first
    wrong file.
    """
    names = _names(folder) - set(without)
    actual = _digests(folder, names & digests.keys())
    for name, digest in sorted(digests.items()):
        if name not in actual:
            raise UserError(f"{folder / name} is missing. {advice}")
        if actual[name] != digest:
            raise UserError(f"{folder / name} is damaged: its sha256 is not the one it had. {advice}")
    parts = {part_of(name) for name in digests}
    for name in sorted(names - digests.keys()):
        if not Path(name).name.startswith("_") and part_of(name) not in parts:
            raise UserError(f"{folder / name} was not written by the step. {advice}")


def part_of(name: str) -> str:
    """Return the name that all attempts at a part share, for the file of one; other names as they are."""
    attempt = ATTEMPT.fullmatch(name)
    return name if attempt is None else attempt[1]


def _names(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.name != TIMESTAMP and not path.name.endswith(PARTIAL)}


def digest_path(file: Path) -> Path:
    """Return the path of the digest of a single file: `scores.parquet.sha256` beside `scores.parquet`."""
    return file.with_name(file.name + DIGEST_SUFFIX)


def write_digest(file: Path) -> None:
    """Write a file's digest beside it, as `sha256sum` does; to be called when the file is complete."""
    path = digest_path(file)
    remove(path)
    path.write_text(f"{sha256_of(file)}  {file.name}\n", "utf-8")


def with_comment(markup: str) -> str:
    """Return SVG or HTML with a last comment that holds the sha256 of all before it."""
    return f"{markup}{COMMENT}{hashlib.sha256(markup.encode()).hexdigest()} -->\n"


def without_comment(file: Path) -> str:
    """Read what `with_comment` returned; raises `UserError` for a damaged file."""
    markup, _, digest = file.read_bytes().rpartition(COMMENT.encode())
    if digest != f"{hashlib.sha256(markup).hexdigest()} -->\n".encode():
        raise UserError(f"{file} is damaged: its sha256 is not the one it had. Delete it and run again.")
    return markup.decode()
