"""Windows that stay on an accelerator, and a network's pass over windows, wherever they are."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.training.batching import (
    Batch,
    Shape,
    gather_steps,
    layout_steps,
    make_batch,
    pad_rows,
    plan_batches,
)
from rabbithole.training.mesh import DeviceMesh, process_count
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING

TRAIN_MEMORY_FRACTION = 0.5
"""Fraction of an accelerator's memory that train's windows may take; the rest is the network's."""

EVALUATION_MEMORY_FRACTION = 0.1
"""The same for windows that are evaluated or scored, beside train's or by several networks at once."""


def on_accelerator() -> bool:
    """Return whether JAX computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def fits_on_device(windows: Windows, fraction: float) -> bool:
    """Return whether there is an accelerator and the windows take at most a fraction of its memory."""
    memory = jax.local_devices()[0].memory_stats() or {}
    limit = fraction * memory.get("bytes_limit", np.inf)
    size = sum(array.nbytes for array in (windows.codes, windows.numbers, windows.offsets))
    return on_accelerator() and size <= limit and len(windows.codes) < 2**30


class DeviceWindows:
    """Windows on the accelerator, which gathers the batches: only the sessions' indices are sent to it.

    The processor gathers 2 million sessions per second, and an accelerator trains on more than that.
    """

    def __init__(self, windows: Windows, mesh: DeviceMesh) -> None:
        self.mesh = mesh
        self.arrays = self.put(windows.codes, windows.numbers, windows.offsets.astype(np.int32))
        self.steps: dict[int, Array] = {}

    def put(self, *arrays: NDArray[Any]) -> tuple[Array, ...]:
        """Copy arrays to every device; their last entries are repeated up to a round length."""
        copies: tuple[Array, ...] = self.mesh.replicate(
            tuple(jnp.asarray(_round_length(array)) for array in arrays)
        )
        return copies

    def batch_arguments(self, rows: NDArray[np.int64], shape: Shape) -> tuple[Any, ...]:
        """Return all windows' arrays, a batch's sessions, and the numbers of its steps."""
        if shape.steps not in self.steps:
            # An array, as its length tells the compiled program how many steps to lay out.
            self.steps[shape.steps] = self.mesh.replicate(jnp.arange(shape.steps, dtype=np.int32))
        places = shape.sessions + -shape.sessions % self.mesh.count
        sharded = self.mesh.shard(pad_rows(rows, places).astype(np.int32))
        return (*self.arrays, *sharded, self.steps[shape.steps])


def _round_length(array: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last entry until the length is a multiple of about an eighth of it.

    Programs are compiled for the lengths of their arrays: so the parts of a data set share a few programs.
    """
    missing = -len(array) % 2 ** max(0, len(array).bit_length() - 4)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1), mode="edge") if missing else array


def gather_on_device(codes: Array, numbers: Array, batch: Batch) -> tuple[Array, Array]:
    """Return a batch's codes and numbers, as `gather_steps` does, inside a compiled program."""
    inside = (batch.steps >= 0)[..., None]
    return jnp.where(inside, codes[batch.steps], PADDING), jnp.where(inside, numbers[batch.steps], 0.0)


# Compiled apart from the network, whose program is then the same for any number of windows.
@jax.jit
def _make_device_batch(
    codes: Array, numbers: Array, offsets: Array, rows: Array, step: Array
) -> tuple[Array, Array]:
    return gather_on_device(codes, numbers, layout_steps(offsets, rows, step))


def predict_logits(
    forward: Callable[..., Array],
    weights: Any,
    table: Array,
    mesh: DeviceMesh,
    windows: Windows,
    shapes: list[Shape],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield each batch's sessions, int64 [n], and their logits, float32 [n, steps, outputs].

    forward: the compiled `Network.forward`. While the caller works on a batch, the next one is computed. Not
    so with several processes: all must exchange their results in the same order.
    """
    ahead = 1 if process_count() == 1 else 0
    on_device = DeviceWindows(windows, mesh) if fits_on_device(windows, EVALUATION_MEMORY_FRACTION) else None
    pending: list[tuple[NDArray[np.int64], Array]] = []
    for shape, rows in plan_batches(windows.lengths, np.arange(len(windows)), shapes):
        if on_device:
            batch = _make_device_batch(*on_device.batch_arguments(rows, shape))
        else:
            batch = mesh.shard(*gather_steps(windows, make_batch(windows, rows, shape)))
        pending.append((rows, mesh.replicate(forward(weights, table, *batch))))
        if len(pending) > ahead:
            yield _fetch(*pending.pop(0))
    for rows, logits in pending:
        yield _fetch(rows, logits)


def _fetch(rows: NDArray[np.int64], logits: Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Wait for a batch's logits; leave out those of empty places."""
    return rows, np.asarray(logits)[: len(rows)]
