"""Flags that XLA can't read are refused in a sentence, before they end the process."""

import os

import pytest

from rabbithole.cli.jax_setup import drop_other_variables, refuse_bad_flags, warn_of_flags
from rabbithole.errors import UserError


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("--xla_nonsense=1", "Unknown flag"),
        ("--xla_cpu_enable_fast_math=maybe", "Couldn't interpret value maybe"),
        ("nowhere.txt", "Could not open file"),
    ],
)
def test_flags_that_xla_cannot_read_are_refused(
    monkeypatch: pytest.MonkeyPatch, flags: str, reason: str
) -> None:
    monkeypatch.setenv("XLA_FLAGS", flags)
    with pytest.raises(UserError, match=f"XLA_FLAGS={flags} .*{reason}.*Unset"):
        refuse_bad_flags()


@pytest.mark.parametrize("flags", ["", " ", "--xla_force_host_platform_device_count=2"])
def test_other_flags_are_left_to_xla(monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    monkeypatch.setenv("XLA_FLAGS", flags)
    refuse_bad_flags()


def test_a_training_says_that_there_are_flags(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XLA_FLAGS", " ")
    warn_of_flags()
    assert not caplog.text
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    warn_of_flags()
    assert "Warning: XLA_FLAGS=--xla_cpu_enable_fast_math=true is set" in caplog.text


def test_variables_of_jax_that_change_results_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": "x", "JAX_LOG_COMPILES": "1"}
    others = {
        "JAX_ENABLE_X64": "1",
        "JAX_RANDOM_SEED_OFFSET": "7",
        "JAX_DISABLE_JIT": "1",
        "FLAX_FIX_RNG_SEPARATOR": "1",
        "TF_XLA_FLAGS": "--x",
    }
    for name, value in (kept | others).items():
        monkeypatch.setenv(name, value)
    drop_other_variables()
    assert kept.items() <= os.environ.items()
    assert not others.keys() & os.environ.keys()
