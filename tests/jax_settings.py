"""Settings of JAX for the tests of all folders that run it; their conftest.py imports the fixtures."""

import os
from collections.abc import Iterator

import jax
import pytest

# Tests start programs that train beside this process: on a GPU, the first would take most of its memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@pytest.fixture(scope="session", autouse=True)
def compile_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let JAX keep what it compiles, in a folder that all test processes share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX locks the folder only where its size is bounded.
    jax.config.update("jax_compilation_cache_max_size", 2**30)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module", autouse=True)
def strict_promotion() -> Iterator[None]:
    """Let JAX refuse operations between arrays of different types or ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
