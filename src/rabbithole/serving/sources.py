"""The log that a person names on the command line, as a source that the events step reads."""

from pathlib import Path

from rabbithole.errors import UserError
from rabbithole.formats.base import log_format
from rabbithole.serving.folder import load_folder
from rabbithole.specs.data import EventsSpec, Source


def log_source(events: EventsSpec, arguments: list[str]) -> Source:
    """Return the source for a folder, for files, or for ROLE=FILE pairs.

    A file alone belongs to the role whose published name its own resembles, otherwise to the one required
    role. Raises `UserError` when a file's role is not clear.
    """
    if len(arguments) == 1 and ("://" in arguments[0] or Path(arguments[0]).is_dir()):
        return arguments[0]
    roles = log_format(events.format, events.table).roles
    named_roles = any(argument.partition("=")[0] in {role.name for role in roles} for argument in arguments)
    if events.table is not None and not named_roles:
        # The patterns of the tables choose among the files.
        return arguments[0] if len(arguments) == 1 else arguments
    by_role: dict[str, list[str]] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if equals and name in {role.name for role in roles}:
            by_role.setdefault(name, []).append(path)
            continue
        named = [role.name for role in roles if any(_alike(argument, known) for known in role.published)]
        required = [role.name for role in roles if role.required]
        choices = named or required
        if len(choices) != 1:
            names = " or ".join(f"{role.name}={argument}" for role in roles)
            raise UserError(f"{argument}: say which file of the log it is, as {names}.")
        by_role.setdefault(choices[0], []).append(argument)
    return {role: files[0] if len(files) == 1 else files for role, files in by_role.items()}


def _alike(path: str, published: str) -> bool:
    return Path(path).name.lower().startswith(Path(published).stem.lower())


def named_models(arguments: list[str]) -> dict[str, Path]:
    """Return model folders by name, from PATH or NAME=PATH; PATH alone is named after its data set.

    Raises `UserError` when two have the same name.
    """
    models: dict[str, Path] = {}
    for argument in arguments:
        name, equals, path = argument.rpartition("=")
        folder = Path(path)
        if not equals:
            name = load_folder(folder).manifest.dataset
        if name in models:
            raise UserError(f"Two models are called {name!r}: give each a name, as NAME=PATH.")
        models[name] = folder
    return models
