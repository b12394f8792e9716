"""Projects for the workflow tests, from a small configuration."""

from types import SimpleNamespace
from typing import Any

from rabbithole.config.datasets import merged
from rabbithole.workflow.project import Project, load_project

CONFIG: dict[str, Any] = {
    "datasets": {"clicks": {"format": "yoochoose"}, "shop": {"format": "retailrocket"}},
    "models": {"gru": {}, "gradient_boosting": {}},
}


def project(**changes: Any) -> Project:
    """Return a project with two simulated shops and two models, and with some settings changed."""
    return load_project(merged(CONFIG, changes), "results", overlay={}, words={}, files=[])


def wildcards(**values: str) -> Any:
    """Return wildcards as Snakemake passes them."""
    return SimpleNamespace(**values)
