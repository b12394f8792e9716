"""Artifacts are written atomically. Reading one checks its kind, version and shape."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import WrittenFile, check_digests, digests_of
from rabbithole.io.parts import manifest_path, remove_other_attempts


class Record(BaseModel):
    """A part of an artifact. Unknown keys are refused; NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artifact(Record):
    """The content of one JSON file, which carries its kind, its version and a checksum.

    kind: the name in the file; version: raised whenever the fields change; rule: the Snakemake rule that
    writes it; digits: significant digits of floats in the file, None for all.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    rule: ClassVar[str]
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
        hint = f"Delete it and run again: rule {cls.rule} writes it anew."
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
            raise UserError(f"{place} is not a {cls.kind} of version {cls.version}. {hint}")
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
    return f"Delete {folder} and run again: rule {rule} writes it anew."


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

    files: those that count, side tables included, by their path in the folder. Nobody reads others.
    """

    files: dict[str, WrittenFile]

    @classmethod
    def files_of(cls, folder: Path, parts: Mapping[str, WrittenFile] | None = None) -> dict[str, WrittenFile]:
        """Return the value of `files` for a finished folder.

        parts: as the tasks that wrote them reported them; other parts are removed, and the rest of the files
        is read. None: all files count and are read.
        """
        known = {} if parts is None else dict(parts)
        if parts is not None:
            remove_other_attempts(folder, known)
        return known | {
            name: WrittenFile(sha256=digest, bytes=(folder / name).stat().st_size)
            for name, digest in digests_of(folder, without=known).items()
        }

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a folder's manifest and check that the folder holds the files that it names, unchanged.

        Reads all files once. Raises `UserError` when the manifest or a file is missing, when a file is
        damaged, or when there is an extra one.
        """
        path = manifest_path(folder)
        if not path.exists():
            raise UserError(
                f"{path} is missing: {folder} has no manifest, so it is not finished. Delete it and run "
                "again."
            )
        manifest = cls.read(path)
        digests = {name: file.sha256 for name, file in manifest.files.items()}
        check_digests(folder, digests, _advice(folder, cls.rule))
        return manifest

    @classmethod
    def parts(cls, folder: Path, split: str = "") -> list[Path]:
        """Return the parts that a folder's manifest names, in their order. split: a subfolder of windows.

        Checks no file; `of` does.
        """
        names = sorted(map(Path, cls.read(manifest_path(folder)).files))
        return [
            folder / name
            for name in names
            if name.parent == Path(split) and name.suffix == ".parquet" and not name.name.startswith("_")
        ]
