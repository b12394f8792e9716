"""Find the raw files of a log: by role, in a folder or archive under their published names or one by one.

The workflow calls this while it plans a run, so the module imports nothing large.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rabbithole.errors import UserError
from rabbithole.formats.base import FileRole, RawFormat, log_format
from rabbithole.ingest.table_files import refuse_same_file, table_files
from rabbithole.io.archives import is_archive, members, plain_name
from rabbithole.specs.data import TableLog

PACKED = ("", ".gz", ".zip", ".7z", ".bz2", ".xz", ".zst")
"""Endings that a published name may have; the plain file is preferred."""

Files = Mapping[str, str | Path | Sequence[str | Path]]
"""File or files by role."""

Source = str | Path | list[str] | Files
"""A folder, archive, file or glob, several of them, or files by role; each is a path or an address."""


def is_remote(source: Source) -> bool:
    """Return whether any file of a log is at an address (such as s3://...)."""
    return bool(addresses_of(source))


def addresses_of(source: Source) -> list[str]:
    """Return the addresses among the files of a log."""
    return [name for name in _names(source) if "://" in name]


def paths_of(source: Source) -> list[str]:
    """Return the paths of this machine among the files of a log."""
    return [name for name in _names(source) if "://" not in name]


def _names(source: Source) -> list[str]:
    if isinstance(source, Mapping):
        return [str(name) for paths in _paths_by_role(source).values() for name in paths]
    return [str(name) for name in (source if isinstance(source, list) else [source])]


def locate(format: str, source: Source, table: TableLog | None = None) -> dict[str, list[Path]]:
    """Return the files of a log by role, in the format's order; roles without a file are left out.

    `source` is a folder that holds the files under their published names, plain or packed; or an archive with
    these files; or a mapping from role to path(s). A log of tables may also be a file, a glob, or several of
    all these; the patterns of each table choose among them. Raises `UserError` that names what is missing.
    """
    raw = log_format(format, table)
    if table is not None:
        return table_files(raw, source if isinstance(source, Path | list) else _checked(raw, source))
    if isinstance(source, list):
        roles = ", ".join(role.name for role in raw.roles)
        raise UserError(f"A list of files names no roles: give a mapping from role ({roles}) to file.")
    files = _existing(raw, source) if isinstance(source, Mapping) else _in_folder(raw, Path(source))
    place = "the mapping of files" if isinstance(source, Mapping) else f"folder {source}"
    for role in raw.roles:
        if role.required and not files.get(role.name):
            names = " or ".join(role.published)
            raise UserError(
                f"No {role.name} file for format {format} in {place}: put {names} there "
                f"(plain, .gz, .bz2, .xz, .zst, .zip or .7z), or give its path as `{role.name}`."
            )
    return files


def paths_by_role(format: RawFormat, source: Files) -> dict[str, list[str | Path]]:
    """Return lists of files by role; raise `UserError` for a role that the format does not have."""
    known = [role.name for role in format.roles]
    for name in source:
        if name not in known:
            raise UserError(
                f"Format {format.name} has no file of role {name!r}: its roles are {', '.join(known)}."
            )
    return _paths_by_role(source)


def _paths_by_role(source: Files) -> dict[str, list[str | Path]]:
    return {role: [path] if isinstance(path, str | Path) else list(path) for role, path in source.items()}


def _checked(format: RawFormat, source: str | Files) -> str | dict[str, list[str | Path]]:
    return source if isinstance(source, str) else paths_by_role(format, source)


def _in_folder(format: RawFormat, folder: Path) -> dict[str, list[Path]]:
    """Return the published files in a folder, or in an archive that is given in its place or lies in it."""
    if folder.is_file() and is_archive(folder):
        return _in_archives(format.roles, [folder])
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(
            f"The source {folder} {problem}: give the folder or archive that holds the log's files, "
            "a mapping from role to file, or `simulate`."
        )
    files = {}
    # Names in any case. Lower case sorts last, so that of two the published one is read.
    present = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    for role in format.roles:
        candidates = ([(name + ending).lower() for ending in PACKED] for name in role.published)
        paths = [
            next((present[spelling] for spelling in names if spelling in present), None)
            for names in candidates
        ]
        if any(paths):
            files[role.name] = [path for path in paths if path is not None]
    if missing := [role for role in format.roles if role.name not in files]:
        archives = [path for path in sorted(folder.iterdir()) if path.is_file() and is_archive(path)]
        files |= _in_archives(missing, archives)
    return {role.name: files[role.name] for role in format.roles if role.name in files}


def _in_archives(roles: Sequence[FileRole], archives: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the first archive that holds a published file of a role, by role."""
    files: dict[str, list[Path]] = {}
    for archive in archives:
        names = {plain_name(member) for member in members(archive)}
        for role in roles:
            if not names.isdisjoint(name.lower() for name in role.published):
                files.setdefault(role.name, [archive])
    return files


def _existing(format: RawFormat, source: Files) -> dict[str, list[Path]]:
    files = {role: [Path(path) for path in paths] for role, paths in paths_by_role(format, source).items()}
    for role, paths in files.items():
        for path in paths:
            if not path.is_file():
                raise UserError(f"The {role} file {path} does not exist or is no file.")
    refuse_same_file(files)
    return {role.name: files[role.name] for role in format.roles if files.get(role.name)}
