"""Unpack the archives among a log's files, and find out how each file is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rabbithole.errors import printable
from rabbithole.formats.base import FileRole, RawFormat
from rabbithole.ingest.layout import file_layout
from rabbithole.ingest.lines import RawFile
from rabbithole.ingest.table_files import chosen_members, matches
from rabbithole.io.archives import is_archive, members, published_members, unpack


def unpack_all(format: RawFormat, files: Mapping[str, Sequence[Path]], scratch: Path) -> list[RawFile]:
    """Return the files of a log, in the order of its roles; members of archives are unpacked to `scratch`.

    A file keeps the name that its user knows: an archive's members are named below it. Raises `UserError` for
    a damaged archive, and as `file_layout` does.
    """
    listed: list[tuple[FileRole, Path, str]] = []
    targets: dict[Path, dict[str, Path]] = {}
    for role in format.roles:
        for path in files.get(role.name, []):
            if not is_archive(path):
                listed.append((role, path.absolute(), str(path)))
                continue
            for member in _members(role, path):
                target = scratch / f"member-{len(listed):06}"
                # A member that two roles read is unpacked once.
                target = targets.setdefault(path, {}).setdefault(member, target)
                listed.append((role, target, f"{path}/{member}"))
    listed = [entry for entry in listed if not _is_empty_part(entry, listed)]
    for archive, of_archive in targets.items():
        unpack(archive, of_archive)
    raw = []
    for rank, (role, path, name) in enumerate(listed):
        name = printable(name)
        raw.append(RawFile(role.name, name, str(path), rank, file_layout(role, path, name)))
    return raw


def _is_empty_part(entry: tuple[FileRole, Path, str], listed: Sequence[tuple[FileRole, Path, str]]) -> bool:
    """Return whether a file is a part of a table without a byte, beside others: jobs write such parts.

    Members of archives are not there yet, and none of them is empty.
    """
    role, path, _ = entry
    if role.table is None or not path.exists() or path.stat().st_size:
        return False
    others = (other for of_role, other, _ in listed if of_role is role and other != path)
    return any(not other.exists() or other.stat().st_size for other in others)


def _members(role: FileRole, archive: Path) -> list[str]:
    """Return the members of an archive that belong to a role."""
    if role.table is None:
        return published_members(archive, role.published)
    chosen = chosen_members(archive, role)
    return chosen or (sorted(members(archive)) if matches(archive.name, role.published) else [])
