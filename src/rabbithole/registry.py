"""Modules that are loaded by name, so that one more format, model or figure is one more file.

A step loads them with `load_module`. The workflow puts the same modules into the step's code digest.
"""

from importlib import import_module
from types import ModuleType
from typing import Literal

Kind = Literal["format", "simulator", "model", "objective", "figure"]

FOLDERS: dict[Kind, str] = {
    "format": "formats",
    "simulator": "simulator",
    "model": "models",
    "objective": "training",
    "figure": "report.figures",
}

OBJECTIVES = {"buyer": "purchase", "next_event": "next_event"}
"""The module of each prediction target."""


def module_name(kind: Kind, name: str) -> str:
    """Return the full name of a module that is loaded by name."""
    if kind == "objective":
        name = OBJECTIVES[name]
    return f"rabbithole.{FOLDERS[kind]}.{name}"


def load_module(kind: Kind, name: str) -> ModuleType:
    """Import a module by name; raises ModuleNotFoundError if there is none."""
    return import_module(module_name(kind, name))
