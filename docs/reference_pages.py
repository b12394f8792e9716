"""Generated parts of the docs: the pages on commands, artifacts and the Python API, and the README's badges.

The Python API is written whenever the site is built, as every change of a docstring changes it.
`make reference` writes the others. They are in the repository, and a test compares them with the code.
"""

import html
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

COMMANDS = """# Commands

The commands of `rabbithole`. This page is generated from the command line (`make reference`). The whole
workflow is run by `snakemake --cores all`; see its [targets](targets.md).

"""

ARTIFACTS = """# Artifacts

Every step leaves JSON files beside its tables. Each is an artifact: a typed, versioned model in
`src/rabbithole/artifacts/`. This page is generated from these models (`make reference`).
[Results](results.md) says where the files are.

A file also has the keys `kind` and `version`. A file of another kind, version or shape is refused, with
the name of the rule that writes it. In Python, `History.read(Path("history.json"))` returns the typed object.

"""

PYTHON = """# Python API

What the package offers to Python code: the functions behind the steps, the readers of what they leave, and
the parts that a new format or model is built from. This page is generated from the docstrings.

"""

ENTRIES: dict[str, dict[str, tuple[str, ...]]] = {
    "From a raw log to windows": {
        "ingest.build": ("build_events",),
        "sessions.build": ("build_sessions",),
        "windows.build": ("build_windows",),
        "windows.arrays": (),
        "windows.encoder": ("Encoder",),
    },
    "Train and score": {
        "training.train": ("train",),
        "training.checkpoints": ("read_description", "load_weights"),
        "training.purchase": (
            "balanced_rows",
            "class_weights",
            "prior_shift",
            "fit_calibration",
            "calibrate",
        ),
        "evaluation.score_sessions": ("score",),
    },
    "Put a model to work": {
        "serving.model": ("Model",),
        "serving.folder": ("load_folder",),
        "serving.predict": ("predict",),
        "serving.stream": ("SessionStream", "LiveScore", "Refusal"),
    },
    "Evaluate": {
        "evaluation.scores": (),
        "evaluation.evaluate": ("evaluate", "ranking", "probabilities"),
        "evaluation.compare_models": ("compare_models",),
        "evaluation.delong": (),
        "evaluation.calibration": (),
        "evaluation.campaign": (),
        "evaluation.ensemble": ("ensemble",),
        "evaluation.explain": ("explain",),
    },
    "Build a format or a model": {
        "formats.base": (),
        "formats.columns": (),
        "models.registry": (),
        "models.layers": ("EventEmbedding", "StepHead"),
    },
    "Specs, artifacts and errors": {
        "specs.base": (),
        "artifacts.base": (),
        "errors": (),
    },
}
"""What the page of the Python API shows: sections, modules, and names in each (none: all public ones)."""


def command_reference() -> str:
    """Return the page of commands as Markdown."""
    import typer
    from typer.cli import get_docs_for_click

    from rabbithole.cli import app

    group = typer.main.get_command(app)
    _use_whole_sentences(group)
    context = typer.Context(group, info_name="rabbithole")
    text = html.unescape(get_docs_for_click(obj=group, ctx=context, name="rabbithole"))
    _, _, commands = text.partition("**Usage**")
    return COMMANDS + "**Usage**" + commands.strip().replace("```console", "```text") + "\n"


def _use_whole_sentences(group: Any) -> None:
    """Keep click from cutting the lines in the lists of commands after 45 characters."""
    for command in group.commands.values():
        command.short_help = " ".join((command.help or "").split("\n\n")[0].split())
        if hasattr(command, "commands"):
            _use_whole_sentences(command)


def artifact_reference() -> str:
    """Return the page of artifacts as Markdown: for each its file and its keys; then the records in them."""
    from rabbithole.artifacts import checks, data, evaluation, runs, serving, studies, text, training
    from rabbithole.artifacts.base import Artifact, Manifest, Record

    lines = [ARTIFACTS]
    modules = {
        "Data": data,
        "Leak checks": checks,
        "Training": training,
        "Evaluation": evaluation,
        "Models at work": serving,
        "Studies": studies,
        "History of runs": runs,
        "Text": text,
    }
    models = {title: _models(module, Record) for title, module in modules.items()}
    records = {
        model.__name__: model
        for section in models.values()
        for model in section
        if not issubclass(model, Artifact)
    }
    for title, section in models.items():
        lines += [f"## {title}", ""]
        for model in section:
            if issubclass(model, Artifact) and model is not Manifest:
                facts = f"Kind `{model.kind}`, version {model.version}, written by rule `{model.rule}`."
                lines += [f"### {model.__name__}", "", *_docstring(model), facts, "", *_table(model, records)]
    lines += ["## Records", "", "Parts of the artifacts above.", ""]
    for name in sorted(records):
        lines += [f"### {name}", "", *_docstring(records[name]), *_table(records[name], records)]
    return "\n".join(lines).rstrip() + "\n"


def _models(module: Any, base: type) -> list[Any]:
    """Return the models that a module defines, in its order."""
    values = [value for value in vars(module).values() if isinstance(value, type)]
    return [value for value in values if issubclass(value, base) and value.__module__ == module.__name__]


def _docstring(model: Any) -> Iterator[str]:
    for paragraph in (model.__doc__ or "").split("\n\n"):
        yield from (_escaped(" ".join(paragraph.split())), "")


def _table(model: Any, records: Collection[str]) -> Iterator[str]:
    properties = model.model_json_schema(mode="serialization")["properties"]
    yield from ("| key | value |", "|---|---|")
    yield from (f"| `{key}` | {_type_words(schema, records)} |" for key, schema in properties.items())
    yield ""


def _type_words(schema: Any, records: Collection[str]) -> str:
    """Return the type of a JSON schema in words, with a link to its record."""
    if not isinstance(schema, dict):
        return "any value"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if name in records else f"`{name}`"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type_words(choice, records) for choice in schema[key])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "array":
            items = schema.get("prefixItems", [schema.get("items")])
            return "list of: " + ", ".join(_type_words(item, records) for item in items)
        case "object":
            return f"mapping to: {_type_words(schema.get('additionalProperties'), records)}"
        case kind:
            words = {"string": "text", "boolean": "`true` or `false`", "null": "`null`"}
            return words.get(kind, kind or "any value")


def python_reference(source: Path) -> str:
    """Return the page of the Python API as Markdown, from the docstrings in `source`. Imports nothing."""
    import griffe

    package = griffe.load("rabbithole", search_paths=[str(source)])
    lines = [PYTHON]
    for title, modules in ENTRIES.items():
        lines += [f"## {title}", ""]
        for name, members in modules.items():
            module = package[name]
            lines += [f"### rabbithole.{name}", "", *_paragraphs(module), ""]
            for member in [module[name] for name in members] or _public_members(module):
                lines += _member(member)
    return "\n".join(lines).rstrip() + "\n"


def _public_members(module: Any) -> list[Any]:
    members = [member for member in module.members.values() if not member.is_alias and member.is_public]
    return [member for member in members if member.is_function or member.is_class]


def _member(member: Any) -> Iterator[str]:
    """Yield the heading, the signature and the docstring of a function or class, and those of its methods."""
    yield from (f"#### `{member.path.removeprefix('rabbithole.')}`", "")
    if member.is_function:
        yield from _signature(member)
    yield from (*_paragraphs(member), "")
    if member.is_class:
        for name, method in member.members.items():
            if method.is_function and not name.startswith("_") and method.docstring:
                yield from _signature(method)
                yield from (*_paragraphs(method), "")


def _signature(function: Any) -> Iterator[str]:
    """Yield a function's signature as code, with a line for each parameter where it is long."""
    text = function.signature()
    if len(text) > 90:
        head, _, rest = text.partition("(")
        parameters, _, result = rest.rpartition(")")
        # Commas within brackets belong to one parameter.
        split = re.split(r", (?![^\[(]*[\])])", parameters)
        text = f"{head}(\n" + "".join(f"    {parameter},\n" for parameter in split) + f"){result}"
    yield from ("```python", text, "```", "")


def _paragraphs(thing: Any) -> list[str]:
    return _escaped(thing.docstring.value).splitlines() if thing.docstring else []


def _escaped(text: str) -> str:
    """Escape what Markdown would take for a link, an HTML tag or emphasis outside code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\[\]<>*_])", r"\\\1", part) for part in parts)


def badges() -> dict[str, str]:
    """Return the README's badges as SVG by file name, from what pyproject.toml says."""
    import anybadge

    about = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    minor_versions = [
        name.rpartition(" ")[2] for name in about["classifiers"] if re.search(r":: Python :: 3\.\d", name)
    ]
    values = {
        "python": " | ".join(minor_versions),
        "licence": about["license"],
        # The tests run on this version; the others are resolved, not run.
        "tests": f"Linux, Python {minor_versions[0]}",
    }
    svg = {
        f"{label}.svg": anybadge.Badge(label, value, default_color="#1f4e79").badge_svg_text
        for label, value in values.items()
    }
    # The ids count the badges of the process.
    return {name: re.sub(r"anybadge_\d+", "mask", text) for name, text in svg.items()}


def main() -> None:
    """Write the pages and badges that are in the repository."""
    (DOCS / "reference/commands.md").write_text(command_reference(), "utf-8")
    (DOCS / "reference/artifacts.md").write_text(artifact_reference(), "utf-8")
    (DOCS / "badges").mkdir(exist_ok=True)
    for name, text in badges().items():
        (DOCS / "badges" / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
