"""Validation of config.yaml, and messages that say what is wrong in it."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from rabbithole.config.settings import Settings
from rabbithole.errors import UserError

MODELS = Path(__file__).parents[1] / "models"

RENAMED_KEYS = {"seed": "data_seed", "seeds": "training_seeds"}
"""Keys of earlier versions, with their new names."""

MODEL_NAME = re.compile(r"[a-z][a-z0-9_]*$")

PLAIN = {
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "too_short": "at least {min_length} items",
}
"""Our own words for some of pydantic's error types."""


def parse_config(config: Mapping[str, Any]) -> Settings:
    """Validate a configuration and return it typed.

    A data set or model that is null is left out, so that an overlay can remove it. Raises `UserError` with
    one line per mistake: the key's path, the given value, what is allowed, and for an unknown key the
    nearest known one.
    """
    if renamed := [key for key in RENAMED_KEYS if key in config]:
        raise _refused([f"{key}: this key is now called {RENAMED_KEYS[key]}" for key in renamed])
    values = dict(config)
    for part in ("datasets", "models"):
        if isinstance(values.get(part), dict):
            values[part] = {name: section for name, section in values[part].items() if section is not None}
    if isinstance(values.get("models"), dict):
        values["models"] = {
            name: {"kind": model_kind(name), **section}
            if isinstance(section, dict) and name in model_names()
            else section
            for name, section in values["models"].items()
        }
        if unknown := [
            name for name in values["models"] if MODEL_NAME.match(str(name)) and name not in model_names()
        ]:
            raise _refused([_unknown_model(name) for name in unknown])
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        mistakes: dict[str, list[str]] = {}
        for mistake in error.errors(include_url=False):
            start, allowed = _explain(values, mistake)
            mistakes.setdefault(start, []).append(allowed)
        raise _refused(
            [start + " or ".join(dict.fromkeys(ends)) for start, ends in mistakes.items()]
        ) from None
    wrong = [name for name, model in settings.models.items() if model.kind != model_kind(name)]
    if wrong:
        raise _refused([f"models.{name}.kind: {name} is of kind {model_kind(name)!r}" for name in wrong])
    return settings


def model_kind(model: str) -> str:
    """Return which settings a purchase model takes: `network` if its class is a Flax module, else `trees`."""
    source = (MODELS / f"{model}.py").read_text("utf-8")
    return "network" if re.search(r"^class Model\(nnx\.Module\)", source, re.M) else "trees"


def model_names() -> list[str]:
    """Return the names of the purchase models, sorted: the files of models/ that define a class `Model`."""
    return sorted(
        path.stem
        for path in MODELS.glob("*.py")
        if re.search(r"^class Model\b", path.read_text("utf-8"), re.M)
    )


def _unknown_model(name: str) -> str:
    near = get_close_matches(name, model_names(), 1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return (
        f"models.{name}: there is no src/rabbithole/models/{name}.py with a class Model{hint} "
        f"Known: {', '.join(model_names())}"
    )


def _refused(lines: list[str]) -> UserError:
    return UserError("the configuration is not right:\n" + "\n".join(f"  {line}" for line in lines))


def _explain(config: dict[str, Any], mistake: Any) -> tuple[str, str]:
    """Return the start of a mistake's line (key and given value) and its end (what is allowed)."""
    value: Any = config
    path: list[str] = []
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
        allowed = sorted(_section_at(mistake["loc"][:-1]).model_fields)
        near = get_close_matches(path[-1], allowed, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else "."
        return f"{key}: there is no such key (given {value!r}){hint} Allowed: ", ", ".join(allowed)
    if kind == "missing":
        return f"{key}: ", f"this key is missing{_description(mistake['loc'])}"
    if kind.startswith("union_tag"):
        tag = value.get("kind") if isinstance(value, dict) else value
        return f"{key}.kind: given {tag!r}, allowed: ", "'network' or 'trees'"
    if mistake["loc"] and mistake["loc"][-1] == "[key]":
        return f"{key}: ", "a name is lower-case letters, digits and _ (of a data set - too), first a letter"
    if not path:
        return "", message
    if kind in PLAIN:
        message = PLAIN[kind].format(**mistake.get("ctx", {}))
    shown = "a section" if isinstance(value, dict) else repr(value)
    if kind == "value_error":
        return f"{key}: ", message if isinstance(value, dict) else f"{message} (given {shown})"
    return f"{key}: given {shown}, allowed: ", message[0].lower() + message[1:]


def _section_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the section that a pydantic error location points at."""
    annotation: Any = Settings
    for part in location:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) < len(get_args(annotation)) and len(members) == 1:
            # A section that may be null.
            (annotation,) = members
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            # A name in a mapping, or the tag of a union: keep the member that the tag names.
            sections = _sections_in(annotation)
            tagged = [s for s in sections if "kind" in s.model_fields and part in _values(s)]
            annotation = tagged[0] if tagged else (sections[0] if len(sections) == 1 else annotation)
    return annotation if isinstance(annotation, type) else _sections_in(annotation)[0]


def _description(location: tuple[int | str, ...]) -> str:
    """Return the description of a missing key, to follow its name."""
    field = _section_at(location[:-1]).model_fields.get(str(location[-1]))
    return f": {field.description}" if field and field.description else ""


def _values(section: type[BaseModel]) -> tuple[Any, ...]:
    """Return the tags that select a section of a union."""
    return get_args(section.model_fields["kind"].annotation)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections in a type annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [section for argument in get_args(annotation) for section in _sections_in(argument)]
