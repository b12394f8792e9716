"""Where the raw files of a log lie: by role, in a folder under their published names or one by one.

A light module (standard library only): the Snakefile asks it for a rule's inputs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rabbithole.errors import UserError

PACKED = ("", ".gz", ".zip", ".7z")
"""Endings that a published name may carry; the plain file is preferred."""

PUBLISHED: dict[str, dict[str, tuple[str, ...]]] = {
    "yoochoose": {"clicks": ("yoochoose-clicks.dat",), "buys": ("yoochoose-buys.dat",)},
    "retailrocket": {
        "events": ("events.csv",),
        "item_properties": ("item_properties_part1.csv", "item_properties_part2.csv"),
        "category_tree": ("category_tree.csv",),
    },
}
"""Format -> role -> published file names."""

REQUIRED = {"yoochoose": "clicks", "retailrocket": "events"}
"""The one role of each format without which there is no log; the others are optional."""


Files = Mapping[str, str | Path | Sequence[str | Path]]
"""Role -> file or files."""

Source = str | Path | Files
"""A folder, or files by role; each a path or an address."""


def is_remote(source: Source) -> bool:
    """Say whether any of a log's files is at an address (s3a://...) that only Spark can read."""
    given = _lists(source).values() if isinstance(source, Mapping) else [[source]]
    return any("://" in str(one) for several in given for one in several)


def locate(format: str, source: Source) -> dict[str, list[Path]]:
    """Return role -> files of a log; roles without a file are left out.

    `source` is a folder that holds the files under their published names, plain or with .gz, .zip or
    .7z behind, or a mapping of role to path(s). Raises `UserError` that names what is missing.
    """
    if format not in PUBLISHED:
        raise UserError(f"Unknown format {format!r}: use one of {', '.join(PUBLISHED)}.")
    files = _given(format, source) if isinstance(source, Mapping) else _in_folder(format, Path(source))
    required = REQUIRED[format]
    if not files.get(required):
        names = " or ".join(PUBLISHED[format][required])
        where = "the mapping of files" if isinstance(source, Mapping) else f"folder {source}"
        raise UserError(
            f"No {required} file for format {format} in {where}: put {names} there "
            f"(plain, .gz, .zip or .7z), or give its path as `{required}`."
        )
    return files


def _in_folder(format: str, folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(
            f"The source {folder} {kind}: give the folder that holds the log's files, "
            "a mapping from role to file, or `simulate`."
        )
    found = {}
    for role, names in PUBLISHED[format].items():
        candidates = ([folder / (name + ending) for ending in PACKED] for name in names)
        files = [next((path for path in paths if path.is_file()), None) for paths in candidates]
        if any(files):
            found[role] = [path for path in files if path is not None]
    return found


def _lists(source: Files) -> dict[str, list[str | Path]]:
    """Return role -> list of files, also where one stands alone."""
    return {role: [one] if isinstance(one, str | Path) else list(one) for role, one in source.items()}


def by_role(format: str, source: Files) -> dict[str, list[str | Path]]:
    """Return role -> list of files; raise `UserError` for a role that the format does not have."""
    for role in source:
        if role not in PUBLISHED[format]:
            known = ", ".join(PUBLISHED[format])
            raise UserError(f"Format {format} has no file of role {role!r}: its roles are {known}.")
    return _lists(source)


def _given(format: str, source: Files) -> dict[str, list[Path]]:
    found = {}
    for role, given in by_role(format, source).items():
        paths = [Path(path) for path in given]
        for path in paths:
            if not path.is_file():
                raise UserError(f"The {role} file {path} does not exist or is no file.")
        if paths:
            found[role] = paths
    return {role: found[role] for role in PUBLISHED[format] if role in found}
