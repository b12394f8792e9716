"""Parquet folders with a manifest beside them, which is written last and checked by every reader."""

from pathlib import Path
from typing import Any

from rabbithole.errors import UserError
from rabbithole.io.atomic import read_json, sha256_of, write_json
from rabbithole.io.parts import data_files, manifest_path


def write_manifest(folder: Path, **facts: Any) -> None:
    """Write the manifest of a finished folder: the given facts and the sha256 of each of its files."""
    files = {str(path.relative_to(folder)): sha256_of(path) for path in data_files(folder)}
    write_json(manifest_path(folder), {**facts, "files": files})


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest and check that the folder holds exactly the files that it names.

    Raises `UserError` when the manifest or a file is missing, or when there is a file too many.
    """
    path = manifest_path(folder)
    if not path.exists():
        raise UserError(
            f"{folder} has no manifest ({path.name}): it was not finished. Delete it and run again."
        )
    manifest: dict[str, Any] = read_json(path)
    present = {str(file.relative_to(folder)) for file in data_files(folder)}
    expected = set(manifest["files"])
    if present != expected:
        wrong = sorted(present ^ expected)
        raise UserError(
            f"{folder} does not hold what {path.name} says ({wrong[0]}). Delete it and run again."
        )
    return manifest
