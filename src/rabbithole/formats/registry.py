"""Find raw formats by name: the module `rabbithole.formats.NAME` defines the format NAME."""

from pathlib import Path

from rabbithole.errors import UserError
from rabbithole.formats.base import RawFormat
from rabbithole.registry import load_module

SHARED = {"__init__", "base", "columns", "registry", "side_tables"}
"""Modules of this folder that define no format."""


def format_names() -> list[str]:
    """Return the names of all formats, sorted."""
    return sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - SHARED)


def raw_format(name: str) -> RawFormat:
    """Return the format of a name; raise `UserError` for an unknown one."""
    if name not in format_names():
        raise UserError(f"Unknown format {name!r}: use one of {', '.join(format_names())}.")
    format: RawFormat = load_module("format", name).FORMAT
    return format
