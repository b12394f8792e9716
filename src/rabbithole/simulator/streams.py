"""Independent streams of random numbers, so that one more draw changes no other."""

import numpy as np


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Return the independent stream of random numbers of a key."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))
