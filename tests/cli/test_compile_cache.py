"""A damaged entry of the compile cache is thrown away and compiled again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = """
import os, sys
from rabbithole.cli.jax_setup import enable_compile_cache
enable_compile_cache()
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
import jax, jax.numpy as jnp
print(float(jax.jit(lambda x: jnp.tanh(x @ x.T).sum())(jnp.ones((5, 3)))))
"""


def entries(cache: Path, ending: str = "-cache") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.rglob(f"*{ending}")}


def compute(cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    return done.stdout


def test_a_damaged_entry_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first = compute(tmp_path, monkeypatch)
    written = entries(tmp_path)
    assert written
    assert compute(tmp_path, monkeypatch) == first
    assert entries(tmp_path) == written
    digests = next(tmp_path.rglob("digests.json"))
    cache = digests.parent

    for path in sorted(cache.glob("*-cache")):
        content = bytearray(path.read_bytes())
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
    assert compute(tmp_path, monkeypatch) == first
    assert entries(tmp_path).keys() == written.keys()

    # JAX would stop caching for an entry without the time of its last use.
    next(cache.glob("*-atime")).unlink()
    (cache / "left-atime").write_bytes(b"12345678")
    digests.write_text("[]")
    assert compute(tmp_path, monkeypatch) == first
    assert entries(tmp_path).keys() == written.keys()
    assert {name.removesuffix("-atime") for name in entries(tmp_path, "-atime")} == {
        name.removesuffix("-cache") for name in written
    }
