"""Checks that a user's network does what training and scoring rely on, before it is trained."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rabbithole.errors import UserError
from rabbithole.models.layers import EventEmbedding, NetworkShape, StepHead
from rabbithole.windows.fields import FIRST_VALUE

SESSIONS, STEPS = 4, 6
"""Size of the batch that the checks run on."""

TOLERANCE = 1e-4
"""Differences of logits up to this are taken for rounding."""


def check_network(model: Any, shape: NetworkShape) -> None:
    """Raise `UserError` where an untrained network cannot be trained as it is.

    It must have the shared embedding and head, keep all its state in parameters, return logits at every step,
    and be causal: a running session's score may depend on no later event.
    """
    for name, kind in (("embedding", EventEmbedding), ("head", StepHead)):
        if not isinstance(getattr(model, name, None), kind):
            raise UserError(f"Model must have an attribute `{name}`, of the class {kind.__name__}.")
    other = nnx.state(model, nnx.Not(nnx.Param))
    if leaves := nnx.to_flat_state(other):
        path, variable = leaves[0]
        raise UserError(
            f"Model holds a {type(variable).__name__} ({'.'.join(map(str, path))}); it may hold only "
            "parameters (nnx.Param), no statistics and no random streams."
        )
    steps = min(STEPS, shape.length)
    rng = np.random.default_rng(0)
    sizes = [size for size in shape.sizes.values() if size]
    codes = rng.integers(FIRST_VALUE - 1, np.maximum(sizes, FIRST_VALUE), (SESSIONS, steps, len(sizes)))
    numbers = rng.normal(size=(SESSIONS, steps, len(shape.sizes) - len(sizes)))
    forward = nnx.jit(lambda model, codes, numbers: model(codes, numbers))

    def logits(codes: Any, numbers: Any) -> Any:
        return forward(model, jnp.asarray(codes, jnp.int32), jnp.asarray(numbers, jnp.float32))

    before = logits(codes, numbers)
    expected = (SESSIONS, steps, shape.outputs)
    if not isinstance(before, jax.Array) or before.shape != expected:
        returned = f"shape {before.shape}" if isinstance(before, jax.Array) else type(before).__name__
        raise UserError(
            f"Model returns {returned} for a batch of {SESSIONS} sessions of {steps} steps; it must "
            f"return logits of shape {expected}: sessions, steps, shape.outputs."
        )
    if steps == 1:
        return
    later_codes, later_numbers = codes.copy(), numbers.copy()
    later_codes[:, -1], later_numbers[:, -1] = np.roll(codes[:, -1], 1, axis=0), -numbers[:, -1]
    change = np.abs(np.asarray(logits(later_codes, later_numbers) - before))[:, :-1]
    if change.max() > TOLERANCE:
        raise UserError(
            "Model is not causal: a step's logits change with a later event. Running sessions would "
            "be scored with events that have not happened yet."
        )
