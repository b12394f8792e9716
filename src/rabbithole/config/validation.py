"""Validation of config.yaml, and messages that say what is wrong in it."""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from rabbithole.config.base import MAX_NAME
from rabbithole.config.model_files import model_names, package_settings, settings_of
from rabbithole.config.settings import Settings
from rabbithole.errors import UserError
from rabbithole.io.addresses import without_secrets
from rabbithole.models.settings import CombinationSettings, ModelSettings

RENAMED_KEYS = {"seed": "data_seed", "seeds": "training_seeds"}
"""Keys of earlier versions, with their new names."""

PATHVARS = ("results", "logs", "benchmarks")
"""Folders that a workflow writes to."""

NAME_RULE = (
    "a name is lower-case letters, digits and _ (of a data set - too), first a letter, at most "
    f"{MAX_NAME} of them"
)

MODEL_NAME = re.compile(r"[a-z][a-z0-9_]*$")

UNUSABLE = re.compile(r"[\0\ud800-\udfff]")

MAX_MISTAKES = 40
"""Lines that are shown at most: a list may hold thousands of wrong values."""


class YamlRepr(reprlib.Repr):
    """Shows values as YAML writes them: null and true, and dates without Python's words for them."""

    def repr1(self, x: Any, level: int) -> str:
        """Return a value at a level of nesting as text."""
        if isinstance(x, bool | None):
            return json.dumps(x)
        return x.isoformat() if isinstance(x, date) else super().repr1(x, level)


SHORT = YamlRepr()
"""How values are shown in messages: with aliases, a short YAML file holds values of any size."""
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 300
SHORT.maxlist = 20
SHORT.maxlevel = 2

PLAIN = {
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "too_short": "at least {min_length} items",
}
"""Our own words for some of pydantic's error types."""


def parse_config(config: Mapping[str, Any]) -> Settings:
    """Validate a configuration and return it typed.

    A data set or model that is null is left out, so that an overlay can remove it. `pathvars` is Snakemake's
    own key. Raises `UserError` with one line per mistake: the key's path, the given value, what is allowed,
    and for an unknown key the nearest known one.
    """
    if renamed := [key for key in RENAMED_KEYS if key in config]:
        raise _refused([f"{key}: this key is now called {RENAMED_KEYS[key]}" for key in renamed])
    values = {key: value for key, value in config.items() if key != "pathvars"}
    if unknown := [key for key in config.get("pathvars") or () if key not in PATHVARS]:
        raise _refused(
            [f"pathvars.{key}: there is no such key; known: {', '.join(PATHVARS)}" for key in unknown]
        )
    for part in ("datasets", "models"):
        if isinstance(values.get(part), dict):
            values[part] = {name: section for name, section in values[part].items() if section is not None}
    if unusable := list(_unusable_texts(values)):
        raise _refused(unusable)
    mistakes: dict[str, list[str]] = {}
    if isinstance(values.get("models"), dict):
        values["models"] = {
            name: _parse_model(str(name), section, mistakes) for name, section in values["models"].items()
        }
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        _collect(error, values, Settings, mistakes)
    if mistakes:
        raise _refused([start + " or ".join(dict.fromkeys(ends)) for start, ends in mistakes.items()])
    return settings


def _unusable_texts(values: Any) -> Iterator[str]:
    """Yield a line for each text that no file, page or program can hold: half a character, or a NUL.

    With aliases of YAML a list may stand in many places, or in itself: each is looked at once.
    """
    todo, seen = [("", values)], set[int]()
    while todo:
        place, value = todo.pop()
        if isinstance(value, dict | list):
            if id(value) in seen:
                continue
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            todo += [(f"{place}.{key}" if place else str(key), below) for key, below in items]
        elif isinstance(value, str) and UNUSABLE.search(value):
            yield (
                f"{place}: given {_shown(value)}, allowed: text without NUL and without halves of a character"
            )


def _parse_model(name: str, section: Any, mistakes: dict[str, list[str]]) -> Any:
    """Return a model's settings, typed by its class `Settings`. Mistakes are added to `mistakes`."""
    known = model_names()
    if not isinstance(section, dict):
        return section
    if not MODEL_NAME.match(name):
        # Refused with the name.
        return ModelSettings()
    file = section.get("file")
    try:
        if "file" not in section:
            if name not in known:
                raise UserError(_unknown_model(name))
            kind = package_settings(name)
        elif name in known:
            raise UserError(f"models.{name}.file: {name} is a model of the package; take another name")
        elif not isinstance(file, str):
            raise UserError(f"models.{name}.file: given {_shown(file)}, allowed: the path of a Python file")
        elif "://" in file:
            raise UserError(
                f"models.{name}.file: a model's file is run as code, so it is never fetched from an address; "
                "download it, read it, and give its path"
            )
        else:
            try:
                kind = settings_of(Path(file), name)
            except UserError as error:
                raise UserError(f"models.{name}.file: {error}") from None
            if issubclass(kind, CombinationSettings):
                raise UserError(
                    f"models.{name}.file: only models of the package combine others; the class Settings must "
                    "be a subclass of ModelSettings or NetworkSettings"
                )
        return kind.model_validate(section)
    except UserError as error:
        mistakes[str(error)] = [""]
    except ValidationError as error:
        _collect(error, section, kind, mistakes, ("models", name))
    return ModelSettings()


def _unknown_model(name: str) -> str:
    near = get_close_matches(name, model_names(), 1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return (
        f"models.{name}: there is no src/rabbithole/models/{name}.py with a class Model{hint} "
        f"Known: {', '.join(model_names())}. A model of your own needs the key `file`."
    )


def _refused(lines: list[str]) -> UserError:
    if more := len(lines[MAX_MISTAKES:]):
        lines = [*lines[:MAX_MISTAKES], f"and {more:,} more"]
    return UserError("the configuration is not right:\n" + "\n".join(f"  {line}" for line in lines))


def _collect(
    error: ValidationError,
    section: dict[str, Any],
    kind: type[BaseModel],
    mistakes: dict[str, list[str]],
    place: tuple[str, ...] = (),
) -> None:
    """Add what is wrong in a section: start and ends of each line. place: the section's path."""
    for mistake in error.errors(include_url=False):
        start, allowed = _explain(section, mistake, kind, place)
        mistakes.setdefault(start, []).append(allowed)


def _explain(
    config: dict[str, Any], mistake: Any, root: type[BaseModel], place: tuple[str, ...]
) -> tuple[str, str]:
    """Return the start of a mistake's line (key and given value) and its end (what is allowed)."""
    value: Any = config
    path = list(place)
    kind = mistake["type"]
    for part in mistake["loc"]:
        # Pydantic adds the names of union members to the path. Only keys that the user wrote are shown.
        if part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int):
            value = value[part]
        elif kind != "missing" or part != mistake["loc"][-1]:
            continue
        path.append(str(part))
    key = ".".join(path)
    message = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "extra_forbidden":
        keys = set(_section_at(mistake["loc"][:-1], root).model_fields)
        # A model of the package has no file.
        allowed = sorted(keys if root is Settings or "file" in config else keys - {"file"})
        near = get_close_matches(path[-1], allowed, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else "."
        return f"{key}: there is no such key (given {_shown(value)}){hint} Allowed: ", ", ".join(allowed)
    if kind == "missing":
        return f"{key}: ", f"this key is missing{_description(mistake['loc'], root)}"
    if mistake["loc"] and mistake["loc"][-1] == "[key]":
        return f"{key}: ", NAME_RULE
    if not path:
        return "", message
    if kind in PLAIN:
        message = PLAIN[kind].format(**mistake.get("ctx", {}))
    shown = _shown(value)
    if kind == "value_error":
        return f"{key}: ", message if isinstance(value, dict) else f"{message} (given {shown})"
    return f"{key}: given {shown}, allowed: ", message[0].lower() + message[1:]


def _shown(value: Any) -> str:
    """Return a value as it stands in YAML, for a message."""
    if isinstance(value, dict):
        return "a section"
    return without_secrets(SHORT.repr(value))


def _section_at(location: tuple[int | str, ...], root: type[BaseModel]) -> type[BaseModel]:
    """Return the section that a pydantic error location, seen from `root`, points at."""
    annotation: Any = root
    for part in location:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) < len(get_args(annotation)) and len(members) == 1:
            # A section that may be null.
            (annotation,) = members
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            # A name in a mapping.
            sections = _sections_in(annotation)
            annotation = sections[0] if len(sections) == 1 else annotation
    return annotation if isinstance(annotation, type) else _sections_in(annotation)[0]


def _description(location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """Return the description of a missing key, to follow its name."""
    field = _section_at(location[:-1], root).model_fields.get(str(location[-1]))
    return f": {field.description}" if field and field.description else ""


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections in a type annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [section for argument in get_args(annotation) for section in _sections_in(argument)]
