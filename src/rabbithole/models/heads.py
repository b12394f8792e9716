"""What every network ends in: two questions, answered after each step."""

import jax.numpy as jnp
from flax import nnx
from jax import Array

RUNNING = 0
"""Column of the logit that a session still running after this step will buy."""

ENDED = 1
"""Column of the logit that a session which ended at this step holds a purchase."""


class PurchaseHead(nnx.Module):
    """A hidden layer and two logits a step, so that one pass judges every prefix, running and ended.

    Which column is read tells a running session from an ended one.
    """

    def __init__(self, features: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(features, width, rngs=rngs)
        self.logits = nnx.Linear(width, 2, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

    def __call__(self, values: Array) -> Array:
        """Read float32 [.., features]; return float32 [.., 2] (RUNNING, ENDED)."""
        return self.logits(nnx.gelu(self.hidden(values)))

    def set_prior(self, log_odds: float) -> None:
        """Let the first guess be the share of buyers, given as log odds."""
        assert self.logits.bias is not None
        self.logits.bias[...] = jnp.full(2, log_odds, jnp.float32)
