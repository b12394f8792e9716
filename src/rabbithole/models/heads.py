"""What every network ends in: a few numbers after each step, two of them where it is asked who will buy."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

RUNNING = 0
"""Column of the logit that a session still running after this step will buy."""

ENDED = 1
"""Column of the logit that a session which ended at this step holds a purchase."""


class StepHead(nnx.Module):
    """A hidden layer and the logits of each step, so that one pass judges every prefix.

    Asked who will buy, it has two outputs: which is read tells a running session from an ended one. Asked
    what comes next, it has one for each class.
    """

    def __init__(self, features: int, width: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(features, width, rngs=rngs)
        self.logits = nnx.Linear(width, outputs, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

    def __call__(self, values: Array) -> Array:
        """Read float32 [.., features]; return float32 [.., outputs]."""
        return self.logits(nnx.gelu(self.hidden(values)))

    def set_prior(self, logits: NDArray[np.float32]) -> None:
        """Let the first guess be these logits, float32 [outputs], whatever was seen."""
        assert self.logits.bias is not None
        self.logits.bias[...] = jnp.asarray(logits)
