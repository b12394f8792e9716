"""The versions that the report names."""

import platform
from importlib.metadata import PackageNotFoundError, version

import pytest

from rabbithole.workflow import pins


def test_the_versions_are_those_installed() -> None:
    versions = pins.versions_in_use()
    assert versions["Python"] == platform.python_version()
    assert versions["Arrow"] == version("pyarrow")
    assert 8 <= len(versions) <= 12


def test_a_library_of_another_environment_has_its_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(pins, "version", not_installed)
    versions = pins.versions_in_use()
    assert versions["JAX"] == pins.pinned_versions()["jax"]
    # Nothing pins the package itself.
    assert "Rabbithole" not in versions
