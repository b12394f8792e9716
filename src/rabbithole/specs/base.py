"""What all specs share: strict parsing, and one JSON text for equal values."""

import json
import re
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationInfo, field_validator

JsonObject = dict[str, JsonValue]
"""Values whose keys are known only to the code that parses them, as a model's own settings are."""

SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""A number that YAML 1.1, which Snakemake reads, takes for text: it wants `1.0e-3` instead of `1e-3`."""


class YamlNumbers(BaseModel):
    """Settings that a user writes in YAML."""

    @field_validator("*", mode="before")
    @classmethod
    def read_scientific_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Read `1e-3` as a number where the field holds numbers, and `1e3` as a whole one."""
        kinds = _leaf_types(cls.model_fields[str(info.field_name)].annotation)
        if kinds.isdisjoint({int, float}) or str in kinds:
            return value
        if isinstance(value, list):
            return [_number(item, whole=float not in kinds) for item in value]
        return _number(value, whole=float not in kinds)


def _number(value: Any, *, whole: bool) -> Any:
    if not isinstance(value, str) or not SCIENTIFIC.fullmatch(value):
        return value
    number = float(value)
    if not whole:
        return number
    return int(number) if number.is_integer() else value


def _leaf_types(annotation: Any) -> set[Any]:
    """Return the types in an annotation such as `list[Annotated[float, ...]] | None`."""
    parts = get_args(annotation)
    if parts:
        return set[Any]().union(*map(_leaf_types, parts))
    return {annotation} if isinstance(annotation, type) else set()


def expand_home(path: str) -> str:
    """Return a path with a leading `~` as the user's home.

    Raises `ValueError` for an empty path, which would be the working folder, and for an unknown user's home.
    """
    if not path.strip():
        raise ValueError("must not be empty: give a path or an address")
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(f"there is no user whose home is {path.partition('/')[0]}") from None


STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
BRACKETS = re.compile(r"[{}<>]")


class Spec(BaseModel):
    """Exactly the settings that one step reads. Unknown keys and wrong types are refused.

    Snakemake compares a job's params as text. So equal specs must give equal text (`to_json`), and a spec
    holds nothing that cannot change the step's result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Return the spec as JSON with sorted keys."""
        return to_json(self.model_dump(mode="json"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the spec that `to_json` wrote; raises `pydantic.ValidationError` for any other text."""
        return cls.model_validate_json(text)


def to_json(values: Any) -> str:
    """Return plain values (paths by name, say) as JSON with sorted keys.

    In strings, braces and angle brackets become `\\u007b` and so on: Snakemake takes `{name}` and `<name>` in
    a parameter for wildcards and path variables.
    """
    return STRING.sub(_without_brackets, json.dumps(values, sort_keys=True))


def _without_brackets(string: re.Match[str]) -> str:
    return BRACKETS.sub(lambda bracket: f"\\u{ord(bracket[0]):04x}", string[0])
