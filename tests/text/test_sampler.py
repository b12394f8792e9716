"""Characters are drawn from the logits of a fake network that knows which code follows which."""

import jax
import jax.numpy as jnp
import numpy as np

from rabbithole.text.trainer import Sampler, draw_codes

SYMBOLS, UNKNOWN = 5, 4


def draw(*temperatures: float, seed: int = 0) -> np.ndarray:
    """Draw 300 codes after code 1; the next code is most likely `unknown`, then the last code plus one."""

    def step(count, code):
        logits = jnp.zeros(SYMBOLS).at[(code + 1) % UNKNOWN].set(2.0).at[UNKNOWN].set(9.0)
        return count + 1, logits

    sampler = Sampler(step, jnp.int32(0), last_code=1)
    return draw_codes(
        sampler, temperatures=temperatures, length=300, unknown=UNKNOWN, key=jax.random.key(seed)
    )


def test_temperature_0_takes_the_most_likely_code_whatever_the_seed():
    for seed in (0, 1):
        assert draw(0.0, seed=seed).tolist() == [[(2 + step) % UNKNOWN for step in range(300)]]


def test_a_higher_temperature_draws_more_evenly_and_never_the_unknown_code():
    codes = draw(0.2, 1.0, 50.0)
    assert codes.shape == (3, 300) and codes.max() < UNKNOWN
    before = np.concatenate([np.ones((3, 1), int), codes[:, :-1]], axis=1)
    shares = (codes == (before + 1) % UNKNOWN).mean(axis=1)
    # softmax of (2, 0, 0, 0) at the temperatures
    np.testing.assert_allclose(shares, [1.0, 0.711, 0.258], atol=0.1)


def test_the_seed_decides_the_draws():
    assert np.array_equal(draw(1.0, 1.0), draw(1.0, 1.0))
    assert not np.array_equal(draw(1.0), draw(1.0, seed=1))
    first, second = draw(1.0, 1.0)
    assert not np.array_equal(first, second)
