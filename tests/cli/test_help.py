"""`rabbithole --help` shows what people use, in order, and explains every option."""

import logging
import tomllib
from collections.abc import Iterator

import click
import pytest
import typer
from typer.testing import CliRunner
from workflow_runs import ROOT

from rabbithole.cli import app
from rabbithole.cli.app import PANELS

ROOT_COMMAND = typer.main.get_command(app)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it with their names."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {part}")


def test_every_command_and_every_option_has_a_help_text() -> None:
    every = dict(commands(ROOT_COMMAND, "rabbithole"))
    assert len(every) > 40
    assert [name for name, command in every.items() if not command.help] == []
    texts = {(name, option.name): option.help for name, command in every.items() for option in command.params}
    assert [place for place, text in texts.items() if not text] == []


def test_the_panels_stand_in_the_order_in_which_people_need_them() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    places = [shown.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)


def test_the_version_is_that_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert CliRunner().invoke(app, ["--version"]).stdout == f"rabbithole {declared}\n"


@pytest.mark.parametrize(("arguments", "level"), [([], logging.WARNING), (["-v"], logging.INFO)])
def test_commands_log_only_warnings_unless_asked_for_more(arguments: list[str], level: int) -> None:
    logger = logging.getLogger("rabbithole")
    handlers, before, propagate = list(logger.handlers), logger.level, logger.propagate
    try:
        assert CliRunner().invoke(app, [*arguments, "schema"]).exit_code == 0
        assert logger.level == level
    finally:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(before)
