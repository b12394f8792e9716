"""Find the raw files of a log: by role, in a folder or archive under their published names or one by one.

In a log of tables, the patterns of each table choose among files, folders, globs and archives. The workflow
calls this while it plans a run, so the module imports nothing large.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from glob import glob, has_magic
from itertools import combinations
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole, RawFormat, log_format
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
        files = table_files(raw, source if isinstance(source, Path | list) else _checked(raw, source))
        _refuse_read_alike(table, files)
        return files
    if isinstance(source, list):
        roles = ", ".join(role.name for role in raw.roles)
        raise UserError(f"A list of files names no roles: give a mapping from role ({roles}) to file.")
    files = _existing(raw, source) if isinstance(source, Mapping) else _in_folder(raw, _path(source))
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


def _path(name: str | Path) -> Path:
    """Return a path; raise `UserError` for a file that is named like a folder, which `Path` would forgive."""
    path = Path(name)
    if str(name).endswith(("/", "/.")) and path.is_file():
        raise UserError(f"{printable(str(name))} is a file, and its name ends like a folder's: give {path}.")
    return path


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
    files = {role: [_path(path) for path in paths] for role, paths in paths_by_role(format, source).items()}
    for role, paths in files.items():
        for path in paths:
            if not path.is_file():
                raise UserError(f"The {role} file {path} does not exist or is no file.")
    refuse_same_file(files)
    return {role.name: files[role.name] for role in format.roles if files.get(role.name)}


TableSource = str | Path | Sequence[str | Path] | Mapping[str, Sequence[str | Path]]

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""How Hive and Spark write a partition whose value is null."""


def table_files(format: RawFormat, source: TableSource) -> dict[str, list[Path]]:
    """Return the files of each table, in the order of the tables; an archive stands for its members.

    Raises `UserError` when a path does not exist, when a table has no file, and for a file that the source
    names and that belongs to no table.
    """
    by_role: dict[str, list[Path]] = {}
    for role in format.roles:
        places = source.get(role.name, []) if isinstance(source, Mapping) else source
        listed = [places] if isinstance(places, str | Path) else places
        candidates = [file for place in listed for file in files_below(str(place))]
        # If there is only one table, a file that the user names belongs to it, whatever the preset's pattern.
        # A pattern of the user's own counts.
        alone = len(format.roles) == 1 and not _has_own_pattern(format, role)
        named = {Path(place) for place in listed} if alone or isinstance(source, Mapping) else ()
        files = [
            file for file in candidates if (file in named and not is_archive(file)) or _belongs(file, role)
        ]
        if not files:
            if not candidates:
                where = (
                    f"there is none in {', '.join(map(str, listed))}" if listed else "the source names none"
                )
                raise UserError(f"No file for the table {role.name}: {where}.")
            names = ", ".join(printable(file.name) for file in candidates[:5])
            raise UserError(
                f"No file for the table {role.name}: of {', '.join(map(str, listed))} "
                f"({names}), none is called {' or '.join(role.published)}. Set table.{role.name}.files to a "
                "pattern of its files."
            )
        # Two tables may read one file, if in different ways.
        refuse_same_file({role.name: files})
        by_role[role.name] = files
    if isinstance(source, list):
        read = {file for files in by_role.values() for file in files}
        for path in map(Path, source):
            if path.is_file() and path not in read:
                patterns = ", ".join(f"{role.name} ({' or '.join(role.published)})" for role in format.roles)
                raise UserError(
                    f"No table reads the file {printable(str(path))}, which the source names: the tables' "
                    f"files are {patterns}. Leave the file out, or change a table's `files`."
                )
    return by_role


def _refuse_read_alike(log: TableLog, files: Mapping[str, Sequence[Path]]) -> None:
    """Raise `UserError` for a file that two tables read in the same way: each event would count twice."""
    for (one, table), (other, further) in combinations(log.tables.items(), 2):
        if table == further.model_copy(update={"files": table.files}):
            refuse_same_file({one: files[one], other: files[other]})


def refuse_same_file(files: Mapping[str, Sequence[Path]]) -> None:
    """Raise `UserError` for a file that is named twice, even under two paths.

    Only an archive may hold the files of several roles.
    """
    seen: dict[tuple[int, int], tuple[str, Path]] = {}
    for role, paths in files.items():
        for path in paths:
            facts = path.stat()
            known = seen.setdefault((facts.st_dev, facts.st_ino), (role, path))
            if known[1] is path or (known[0] != role and is_archive(path)):
                continue
            same = "" if known[1] == path else f" (it is the same file as {printable(str(known[1]))})"
            where = f"twice as {role}" if known[0] == role else f"as {known[0]} and as {role}"
            raise UserError(f"The file {printable(str(path))} is named {where}{same}. Name it once.")


def chosen_members(archive: Path, role: FileRole) -> list[str]:
    """Return the members of an archive that belong to a table, sorted; empty members are left out."""
    return sorted(name for name, size in members(archive).items() if size and matches(name, role.published))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a path, or its last part, matches a pattern in any case.

    Packed names match without their ending.
    """
    path = PurePosixPath(name.replace("\\", "/").lower())
    names = [path.as_posix(), path.name]
    if path.suffix in (".gz", ".bz2", ".xz", ".zst", ".zip", ".7z"):
        names.append(path.stem)
    return any(fnmatchcase(spelling, pattern.lower()) for spelling in names for pattern in patterns)


def partition_values(path: str) -> dict[str, str | None]:
    """Return the columns in the folder names of a path, as Hive and Spark write them: `day=2020-01-01`."""
    parts = [part.partition("=") for part in PurePosixPath(path.replace("\\", "/")).parent.parts]
    values = {name: unquote(value) for name, equals, value in parts if equals and name.isidentifier()}
    return {name: None if value == NULL_PARTITION else value for name, value in values.items()}


def files_below(place: str) -> list[Path]:
    """Return the files that a path stands for, sorted: those of a folder or a glob, or the file itself."""
    path = _path(place)
    if not path.exists() and has_magic(place):
        # Not Path.glob: the pattern may be absolute.
        paths = sorted(Path(name) for name in glob(place, recursive=True))  # noqa: PTH207
        if not paths:
            raise UserError(f"No file matches {place}.")
        # A pattern such as data/** stands for a folder and for the files in it.
        return list(dict.fromkeys(file for other in paths for file in files_below(str(other))))
    if path.is_dir():
        return sorted(
            file
            for file in path.rglob("*")
            # Hadoop and Spark leave files such as _SUCCESS and .part.crc beside the data.
            if file.is_file() and not any(part[0] in "._" for part in file.relative_to(path).parts)
        )
    if not path.is_file():
        problem = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise UserError(f"The source {place} {problem}.")
    return [path]


def _has_own_pattern(format: RawFormat, role: FileRole) -> bool:
    preset = (format.tables or {}).get(role.name, {}).get("files")
    return role.table is not None and role.table.files not in (None, preset)


def _belongs(file: Path, role: FileRole) -> bool:
    if matches(file.as_posix(), role.published):
        return True
    return is_archive(file) and bool(chosen_members(file, role))
