"""The reference of config.yaml, generated from the settings: docs/reference/config.md."""

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rabbithole.config.model_files import model_names, package_settings
from rabbithole.config.settings import Settings
from rabbithole.formats.base import format_names, raw_format
from rabbithole.models.settings import ModelSettings

INTRODUCTION = """# Settings

Every key of `config.yaml`, with its default and its effect. This page is generated from the settings
(`make reference`). A file given with `--configfile` merges over `config.yaml`. `NAME` is a name of your
choice, in lower case. A wrong key or value stops the run before any job, with the nearest right key.
"""

SIGNS = {Ge: ("at least", "ge"), Gt: ("above", "gt"), Le: ("at most", "le"), Lt: ("below", "lt")}


def config_reference() -> str:
    """Return the page as Markdown: one table per section."""
    lines = [INTRODUCTION]
    for path, section in sections(Settings):
        title = f"`{path}`" if path else "Top level"
        lines += [f"## {title}", "", (section.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "), ""]
        lines += ["| key | value | default | effect |", "|---|---|---|---|"]
        lines += [row(name, field) for name, field in own_fields(section).items() if has_row(field)]
        if path == "datasets.NAME":
            lines += ["", *format_defaults()]
        lines.append("")
    return "\n".join(lines)


def sections(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a section and all sections below it, with their paths."""
    if any(has_row(field) for field in section.model_fields.values()):
        yield path, section
    for name, field in section.model_fields.items():
        below = f"{path}.{name}" if path else name
        named = dict in {get_origin(part) for part in (field.annotation, *get_args(field.annotation))}
        for inner in sections_in(field.annotation):
            place = f"{below}.NAME" if named else below
            kind = inner.model_fields.get("kind")
            # The only value of `kind` selects a section of a union.
            tagged = kind is not None and len(get_args(kind.annotation)) == 1
            yield from sections(inner, f"{place} ({kind.default})" if kind and tagged else place)
            if inner is ModelSettings:
                yield from ((f"{below}.{model}", package_settings(model)) for model in model_names())


def own_fields(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the keys of a section; those of the package's models without `file`."""
    inherited = ModelSettings.model_fields if section is not ModelSettings else {}
    return {name: field for name, field in section.model_fields.items() if name not in inherited}


def config_schema() -> dict[str, JsonValue]:
    """Return the JSON schema of config.yaml: of each model of the package, and of any other with a file."""
    schema = Settings.model_json_schema()
    models = schema["properties"]["models"]
    models["properties"] = {name: {"$ref": f"#/$defs/models.{name}"} for name in model_names()}
    models["additionalProperties"] = {"$ref": "#/$defs/ModelSettings"}
    models["propertyNames"] = {"pattern": next(iter(models.pop("patternProperties")))}
    own = schema["$defs"]["ModelSettings"]
    own |= {"additionalProperties": True, "required": ["file"]}
    own["properties"]["file"] = {"type": "string"} | {
        key: value for key, value in own["properties"]["file"].items() if key not in ("anyOf", "default")
    }
    for name in model_names():
        section = package_settings(name).model_json_schema()
        section["properties"].pop("file")
        schema["$defs"][f"models.{name}"] = section | {"title": name}
    return schema


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections in a type annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [section for argument in get_args(annotation) for section in sections_in(argument)]


def has_row(field: FieldInfo) -> bool:
    """Return whether a key has a row of its own: it holds a value, or is a section with a description."""
    return not sections_in(field.annotation) or bool(field.description)


def row(name: str, field: FieldInfo) -> str:
    """Return the table row of one key."""
    if field.default is PydanticUndefined:
        default = "required"
    else:
        default = "see below" if isinstance(field.default, BaseModel) else f"`{json.dumps(field.default)}`"
    words = type_words(field.annotation) + limits(field.metadata)
    cells = [f"`{name}`", words, default, field.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def type_words(annotation: Any) -> str:
    """Return the words for a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(arguments[0]) + limits(arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(argument) for argument in arguments))
    if origin is list:
        return f"list of: {type_words(arguments[0])}"
    if sections_in(annotation) and origin in (None, dict):
        return "a section"
    if origin is dict:
        return "mapping"
    return {
        int: "integer",
        float: "number",
        str: "text",
        bool: "`true` or `false`",
        type(None): "`null`",
    }[annotation]


def limits(metadata: Any) -> str:
    """Return the words for the limits of a value."""
    words = []
    for entry in metadata:
        constraints = entry.metadata if isinstance(entry, FieldInfo) else [entry]
        for constraint in constraints:
            if type(constraint) in SIGNS:
                word, attribute = SIGNS[type(constraint)]
                value = getattr(constraint, attribute)
                words.append(f"{word} {value:,}" if isinstance(value, int) else f"{word} {value:g}")
            elif isinstance(constraint, MinLen) and constraint.min_length > 0:
                words.append(f"length at least {constraint.min_length}")
    return f", {', '.join(words)}" if words else ""


def format_defaults() -> list[str]:
    """Return a table of the defaults that follow from the raw format."""
    lines = [
        "These defaults follow from `format`:",
        "",
        "| format | key | default |",
        "|---|---|---|",
    ]
    for name in format_names():
        for key, value in _leaves(raw_format(name).defaults):
            lines.append(f"| `{name}` | `{key}` | `{json.dumps(value)}` |")
    return lines


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{path}.{name}" if path else name
        yield from _leaves(value, key) if hasattr(value, "items") else [(key, value)]
