"""Every command in the tutorial, the how-to pages and the README is run, or says why it is not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from docs_pages import PAGES, ROOT, TUTORIAL, Block, blocks
from workflow_runs import TINY

from rabbithole.config.datasets import merged
from rabbithole.config.validation import parse_config

COPIED = ("src", "rules", "envs", "requirements", "profiles", "workflow", "config", "docs")
COPIED_FILES = ("Snakefile", "Makefile", "pyproject.toml")
SHELL = "sh"
COMMAND = re.compile(r"^\s*(\$ )?(make|snakemake|rabbithole|pip|python)( |$)", re.MULTILINE)


def page_name(page: Path) -> str:
    return page.stem


def commands(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == SHELL and block.reason is None]


@pytest.fixture(scope="module")
def checkout(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with an active environment, small default settings and their results.

    The commands are run as they are written. Only `config.yaml` differs: its simulated logs and models are
    small. All pages share the folder, so that later pages find the results of earlier ones.
    """
    folder = tmp_path_factory.mktemp("checkout") / "rabbithole"
    shutil.copytree(finished, folder, symlinks=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in COPIED_FILES:
        shutil.copy2(ROOT / name, folder / name)
    small = merged(*(yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("config.yaml", TINY)))
    (folder / "config.yaml").write_text(yaml.safe_dump(small), "utf-8")
    environment = folder / ".venv"
    environment.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    # Newer than requirements/ and pyproject.toml, so that make does not install.
    (environment / "cpu").touch()
    for block in blocks(TUTORIAL):
        if block.file:
            save(block, folder)
    return folder


def save(block: Block, folder: Path) -> None:
    assert block.file is not None
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, "utf-8")


@pytest.mark.workflow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=page_name)
def test_the_commands_of_a_page_run_as_they_are_written(page: Path, checkout: Path) -> None:
    environment = os.environ | {
        "PATH": f"{checkout / '.venv/bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(checkout / "src"),
    }
    for block in blocks(page):
        if block.file:
            save(block, checkout)
        elif block.language == SHELL and block.reason is None:
            run = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=checkout,
                env=environment,
                capture_output=True,
                text=True,
                timeout=2400,
            )
            output = run.stdout[-3000:] + run.stderr[-6000:]
            assert run.returncode == 0, f"{page.name}, line {block.line}:\n{block.text}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_no_command_hides_in_a_block_of_another_kind(page: Path) -> None:
    """A command that is no `sh` block would be neither run nor marked."""
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        assert block.language in {SHELL, "python", "yaml", "ini", "text"} or block.language.startswith("{"), (
            where
        )
        if block.language == "text":
            assert not COMMAND.search(block.text), where


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_command_waits_only_for_what_does_not_exist(page: Path) -> None:
    """The reason "waits for `rabbithole NAME`" must go once the command is there; then the block is run."""
    from typer.main import get_command

    from rabbithole.cli import app

    names = set(getattr(get_command(app), "commands", {}))
    for block in blocks(page):
        if block.reason and (match := re.search(r"waits for `rabbithole (\S+)`", block.reason)):
            assert match[1] not in names, f"{page.name}, line {block.line}: {match[1]} exists; run the block"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_example_of_settings_is_valid(page: Path) -> None:
    """Settings in examples merge over config.yaml. Those that are saved as a file are run instead."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    for block in blocks(page):
        if block.language == "yaml" and block.file is None:
            parse_config(merged(config, yaml.safe_load(block.text)))
