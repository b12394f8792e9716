"""Settings of JAX for the tests of models."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def strict_promotion() -> Iterator[None]:
    """Let JAX refuse operations between arrays of different types or ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
