"""Artifacts are written atomically. Reading one checks its kind, version and shape."""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, sha256_of
from rabbithole.io.parts import data_files, manifest_path


class Record(BaseModel):
    """A part of an artifact. Unknown keys are refused; NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artifact(Record):
    """The content of one JSON file, which carries its kind and version.

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
        return round_floats(values, self.digits) if self.digits is not None else values

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
        except ValueError as error:
            raise UserError(f"{path} is damaged: it is not UTF-8. {hint}") from error
        return cls.parse(text, str(path), hint)

    @classmethod
    def parse(cls, text: str, place: str, hint: str) -> Self:
        """Return the artifact in a JSON text. place, hint: for messages, where it stands and what to do."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UserError(f"{place} is damaged: it is not JSON. {hint}") from error
        header = (values.pop("kind", None), values.pop("version", None)) if isinstance(values, dict) else None
        if header != (cls.kind, cls.version):
            raise UserError(f"{place} is not a {cls.kind} of version {cls.version}. {hint}")
        try:
            # As JSON: a strict spec inside takes its tuples from JSON lists only.
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{place} does not fit: {key}: {first['msg']}. {hint}") from error


def round_floats(value: Any, digits: int) -> Any:
    """Round every float within nested lists and dicts to a number of significant digits."""
    if isinstance(value, dict):
        return {key: round_floats(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [round_floats(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


class Manifest(Artifact):
    """What a Parquet folder holds. Its file stands beside the folder and is written last.

    files: the sha256 of each data file, by its path in the folder.
    """

    files: dict[str, str]

    @classmethod
    def digests(cls, folder: Path) -> dict[str, str]:
        """Return the value of `files` for a finished folder."""
        return {str(path.relative_to(folder)): sha256_of(path) for path in data_files(folder)}

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a folder's manifest and check that the folder holds exactly the files that it names.

        Raises `UserError` when the manifest or a file is missing, or when there is an extra file.
        """
        path = manifest_path(folder)
        if not path.exists():
            raise UserError(
                f"{folder} has no manifest ({path.name}): it was not finished. Delete it and run again."
            )
        manifest = cls.read(path)
        present = {str(file.relative_to(folder)) for file in data_files(folder)}
        if wrong := sorted(present ^ set(manifest.files)):
            raise UserError(
                f"{folder} does not hold what {path.name} says ({wrong[0]}). Delete it and run again."
            )
        return manifest
