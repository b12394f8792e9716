"""Find the files of a log of tables: files, folders, globs and archives, shared out by patterns.

The workflow calls this while it plans a run, so the module imports nothing large.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole, RawFormat
from rabbithole.io.archives import is_archive, members

TableSource = str | Path | Sequence[str | Path] | Mapping[str, Sequence[str | Path]]

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""How Hive and Spark write a partition whose value is null."""


def table_files(format: RawFormat, source: TableSource) -> dict[str, list[Path]]:
    """Return the files of each table, in the order of the tables; an archive stands for its members.

    Raises `UserError` when a path does not exist, or a table has no file.
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
            names = ", ".join(printable(file.name) for file in candidates[:5]) or "nothing"
            raise UserError(
                f"No file for the table {role.name}: of {', '.join(map(str, listed)) or 'no source'} "
                f"({names}), none is called {' or '.join(role.published)}. Set table.{role.name}.files to a "
                "pattern of its files."
            )
        # Two tables may read one file.
        refuse_same_file({role.name: files})
        by_role[role.name] = files
    return by_role


def refuse_same_file(files: Mapping[str, Sequence[Path]]) -> None:
    """Raise `UserError` for a file that is named twice, be it by another path.

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
    path = Path(place)
    if not path.exists() and has_magic(place):
        # Not Path.glob: the pattern may be absolute.
        paths = sorted(Path(name) for name in glob(place, recursive=True))  # noqa: PTH207
        if not paths:
            raise UserError(f"No file matches {place}.")
        return [file for other in paths for file in files_below(str(other))]
    if path.is_dir():
        return sorted(
            file
            for file in path.rglob("*")
            # Hadoop and Spark leave files such as _SUCCESS and .part.crc beside the data.
            if file.is_file() and not any(part[0] in "._" for part in file.relative_to(path).parts)
        )
    if not path.is_file():
        raise UserError(f"The source {place} does not exist.")
    return [path]


def _has_own_pattern(format: RawFormat, role: FileRole) -> bool:
    preset = (format.tables or {}).get(role.name, {}).get("files")
    return role.table is not None and role.table.files not in (None, preset)


def _belongs(file: Path, role: FileRole) -> bool:
    if matches(file.as_posix(), role.published):
        return True
    return is_archive(file) and bool(chosen_members(file, role))
