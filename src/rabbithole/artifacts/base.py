"""Artifacts are written atomically. Reading one checks its kind, version and shape."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, remove
from rabbithole.io.digests import WrittenFile, check_digests, digests_of
from rabbithole.io.parts import manifest_path, remove_other_attempts
from rabbithole.io.scratch import scratch_folder
from rabbithole.io.storage import Part, StoredFile, StoredFolder, fetch_all, put, remove_stored_parts


class Record(BaseModel):
    """A part of an artifact. Unknown keys are refused; NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artifact(Record):
    """The content of one JSON file, which carries its kind, its version and a checksum.

    kind: the name in the file; version: raised whenever the fields change; rule: the Snakemake rule that
    writes it; hint: what to do where the file is of no use, "" where deleting it and running again helps;
    digits: significant digits of floats in the file, None for all.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    rule: ClassVar[str]
    hint: ClassVar[str] = ""
    digits: ClassVar[int | None] = None

    def write(self, path: Path) -> None:
        """Write the artifact as JSON with sorted keys."""
        with atomic_write(path) as temporary:
            text = json.dumps(self._values(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
            temporary.write_text(text + "\n", "utf-8")

    def to_line(self) -> str:
        """Return the artifact as JSON on one line."""
        return json.dumps(self._values(), sort_keys=True, allow_nan=False, ensure_ascii=False)

    def _values(self) -> dict[str, Any]:
        values = {"kind": self.kind, "version": self.version, **self.model_dump(mode="json")}
        if self.digits is not None:
            values = round_floats(values, self.digits)
        return values | {"checksum": _checksum(values)}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an artifact of this kind and version.

        Raises `UserError` when the file is missing, damaged, or of another kind, version or shape. The
        message says which rule writes the file.
        """
        hint = cls.hint or f"Delete it and run again: rule {cls.rule} writes it."
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing. Run again: rule {cls.rule} writes it.") from error
        except (IsADirectoryError, NotADirectoryError) as error:
            raise UserError(f"{path} is damaged: it is no file. {hint}") from error
        except ValueError as error:
            raise UserError(f"{path} is damaged: it is not UTF-8. {hint}") from error
        return cls.parse(text, str(path), hint)

    @classmethod
    def parse(cls, text: str, place: str, hint: str) -> Self:
        """Return the artifact in a JSON text. place, hint: for messages, where it stands and what to do."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{place} is damaged: it is not JSON. {hint}") from error
        checksum = values.pop("checksum", None) if isinstance(values, dict) else None
        actual = (values.pop("kind", None), values.pop("version", None)) if isinstance(values, dict) else None
        if actual != (cls.kind, cls.version):
            other = f": it has version {actual[1]}" if actual and actual[0] == cls.kind else ""
            raise UserError(f"{place} is not a {cls.kind} of version {cls.version}{other}. {hint}")
        header = {"kind": cls.kind, "version": cls.version}
        # Files of earlier versions have none.
        if checksum is not None and checksum != _checksum(header | values):
            raise UserError(f"{place} is damaged: its content does not have its checksum. {hint}")
        try:
            # As JSON: a strict spec inside takes its tuples from JSON lists only.
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{place} does not fit: {key}: {first['msg']}. {hint}") from error


def _checksum(values: dict[str, Any]) -> str:
    """Return 16 hex digits of the sha256 of an artifact's values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def round_floats(value: Any, digits: int) -> Any:
    """Round every float within nested lists and dicts to a number of significant digits."""
    if isinstance(value, dict):
        return {key: round_floats(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [round_floats(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _advice(folder: Path, rule: str) -> str:
    return f"Delete {folder} and run again: rule {rule} writes it."


class FolderFiles(Artifact):
    """files.json of a folder. digests: the sha256 of every other file in it, by its path."""

    name: ClassVar[str] = "files.json"

    digests: dict[str, str]

    @classmethod
    def seal(cls, folder: Path) -> None:
        """Write the file; to be called when the folder is complete."""
        cls(digests=digests_of(folder, without=[cls.name])).write(folder / cls.name)

    @classmethod
    def check(cls, folder: Path) -> None:
        """Check that a folder holds exactly the files that it was sealed with, unchanged.

        Raises `UserError` that names the first wrong file.
        """
        advice = _advice(folder, cls.rule)
        if not (folder / cls.name).is_file():
            raise UserError(f"{folder / cls.name} is missing. {advice}")
        check_digests(folder, cls.read(folder / cls.name).digests, advice, without=[cls.name])


class Manifest(Artifact):
    """What a Parquet folder holds. Its file stands beside the folder and is written last.

    files: those that count, side tables included, by their path in the folder. Nobody reads others; storage:
    the address below which they lie, None: in the folder.
    """

    files: dict[str, WrittenFile]
    storage: str | None = Field(None, exclude_if=lambda address: address is None)

    @classmethod
    def files_of(
        cls,
        folder: Path,
        parts: Mapping[str, WrittenFile] | None = None,
        stored: StoredFolder | None = None,
    ) -> dict[str, WrittenFile]:
        """Return the value of `files` for a finished folder.

        parts: as the tasks that wrote them reported them; other parts are removed, and the rest of the files
        is read. None: all files count and are read. stored: where the parts are, and where the rest is put;
        the folder is empty then. None: all are in the folder.
        """
        known = {} if parts is None else dict(parts)
        if parts is not None:
            remove_other_attempts(folder, known)
        rest = {
            name: WrittenFile(sha256=digest, bytes=(folder / name).stat().st_size)
            for name, digest in digests_of(folder, without=known).items()
        }
        if stored is not None:
            for name in rest:
                put(folder / name, stored.file(name))
                remove(folder / name)
            remove_stored_parts(stored, keep=known)
        return known | rest

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a folder's manifest and check that the folder holds the files that it names, unchanged.

        Reads all files once. Raises `UserError` when the manifest or a file is missing, when a file is
        damaged, or when there is an extra one. Files in storage are checked when they are fetched.
        """
        path = manifest_path(folder)
        if not path.exists():
            raise UserError(
                f"{path} is missing: {folder} has no manifest, so it is not finished. Delete it and run "
                "again."
            )
        manifest = cls.read(path)
        if manifest.storage is None:
            digests = {name: file.sha256 for name, file in manifest.files.items()}
            check_digests(folder, digests, _advice(folder, cls.rule))
        return manifest

    def file(self, folder: Path, name: str) -> Part:
        """Return a file that the manifest of a folder names: its path, or where it lies in storage."""
        if self.storage is None:
            return folder / name
        advice = f"Delete {manifest_path(folder)} and run again: rule {self.rule} writes it."
        return StoredFile(StoredFolder(self.storage).file(name), self.files[name], advice)

    def part_files(self, folder: Path, split: str = "") -> list[Part]:
        """Return the parts that the manifest of a folder names, in their order. split: of windows."""
        return [
            self.file(folder, str(name))
            for name in sorted(map(Path, self.files))
            if name.parent == Path(split) and name.suffix == ".parquet" and not name.name.startswith("_")
        ]

    @classmethod
    def parts(cls, folder: Path, split: str = "") -> list[Path]:
        """Return the paths of the parts of a folder on this machine, as `part_files` does.

        Checks no file; `of` does.
        """
        parts = cls.read(manifest_path(folder)).part_files(folder, split)
        paths = [part for part in parts if isinstance(part, Path)]
        assert len(paths) == len(parts), f"{folder} lies in storage: read it within `on_this_machine`"
        return paths

    @classmethod
    @contextmanager
    def on_this_machine(cls, folder: Path) -> Iterator[Path]:
        """Yield a folder whose files are on this machine: itself, or a copy of one that lies in storage.

        The copy and its parent have the same names, and its manifest stands beside it. It is removed at the
        end. Raises `UserError` for a file that is missing or changed, and when storage can't be read.
        """
        manifest = cls.read(manifest_path(folder)) if manifest_path(folder).exists() else None
        if manifest is None or manifest.storage is None:
            yield folder
            return
        with scratch_folder("fetched") as scratch:
            copy = scratch / folder.absolute().parent.name / folder.name
            copy.mkdir(parents=True)
            fetch_all(
                [
                    (part, copy / name)
                    for name in manifest.files
                    if isinstance(part := manifest.file(folder, name), StoredFile)
                ]
            )
            manifest.model_copy(update={"storage": None}).write(manifest_path(copy))
            yield copy
