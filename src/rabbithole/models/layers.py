"""Layers that all networks share: the embedding of an event's fields, and the output head.

A check before training finds networks that do not use them, or break what training and scoring rely on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.scipy.linalg import block_diag
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.windows.fields import FIRST_VALUE, ROOT

ITEM, CATEGORY = "item", "category"

ONE_HOT_SIZE = 128
"""Tables with at most this number of codes are looked up by a product with one-hot rows."""

KNOTS = tuple(step / 2 for step in range(-4, 5))
"""Peaks of the hat functions of a normalised number, half a standard deviation apart."""

RUNNING = 0
"""Column of the logit that a session still running after this step will buy."""

ENDED = 1
"""Column of the logit that a session which ended at this step holds a purchase."""


class RowTable(nnx.Param):
    """An embedding table that the train step updates row by row, as a batch uses few of its rows."""


class EventEmbedding(nnx.Module):
    """Turns an event's fields into one vector.

    `sizes` holds the fields in the order of codes and numbers: the number of codes of a categorical field, 0
    of a numeric one. A log may lack any of them.

    The vector holds an embedding of each categorical field, the numeric fields, and whether the item is that
    of the step before. The item's embedding takes `embedding_width` numbers; that of another field with n
    codes takes about sqrt(n), at most half of `embedding_width`.

    A number enters as it is and as hat functions around `KNOTS` (a piecewise linear encoding: Gorishniy,
    Rubachev and Babenko 2022, arXiv:2203.05556, section 3.2), as its effect is seldom linear. A missing
    number is 0, with an indicator of 1.

    With a category tree, `roots` holds the root of each category code. Roots have an embedding too: that of
    a root is trained by many sessions, that of a single category by few.

    `doubt` is added to a scale of 1, number by number, where the item has no code of its own (rare, unseen
    or missing). The other fields may mean something else for these items, which are too rare to learn
    a separate effect per field.
    """

    def __init__(
        self, embedding_width: int, *, sizes: dict[str, int], roots: Sequence[int], rngs: nnx.Rngs
    ) -> None:
        counts = {field: size for field, size in sizes.items() if size}
        self.numbers = len(sizes) - len(counts)
        self.roots = tuple(roots) if CATEGORY in counts else ()
        if self.roots:
            counts[ROOT] = max(self.roots) + 1
        self.fields, self.sizes = tuple(counts), tuple(counts.values())
        self.item = self.fields.index(ITEM) if ITEM in counts else None
        self.category = self.fields.index(CATEGORY) if CATEGORY in counts else None
        fields = [index for index in range(len(self.sizes)) if index != self.item]
        self.small = tuple(index for index in fields if self.sizes[index] <= ONE_HOT_SIZE)
        self.large = tuple(index for index in fields if self.sizes[index] > ONE_HOT_SIZE)
        widths = [
            embedding_width if index == self.item else min(max(1, embedding_width // 2), round(size**0.5) + 1)
            for index, size in enumerate(self.sizes)
        ]
        # All rows of a table start nearly equal. So two values differ by what was learned about them, not by
        # random numbers, from which the networks would recognise train's sessions.
        tables = [
            (RowTable if index == self.item else nnx.Param)(
                jax.random.normal(rngs.params(), (size, width), jnp.float32)
                * (0.1 if size <= ONE_HOT_SIZE else 0.01)
            )
            for index, (size, width) in enumerate(zip(self.sizes, widths, strict=True))
        ]
        self.tables = nnx.Dict(dict(zip(self.fields, tables, strict=True)))
        self.features = sum(widths) + (2 + len(KNOTS)) * self.numbers + (self.item is not None)
        if self.item is not None:
            self.doubt = nnx.Param(jnp.zeros(self.features))

    @property
    def item_count(self) -> int:
        """Return the number of item codes, 0 for a log without items."""
        return 0 if self.item is None else self.sizes[self.item]

    def __call__(self, codes: Array, numbers: Array, *, time_axis: int) -> Array:
        """Return vectors, float32 [.., .., features].

        codes: int32 [.., .., categorical]; numbers: float32 [.., .., numeric]; time_axis: the axis of the
        steps, 0 or 1. Padding gets vectors too. The networks are causal and padding comes
        last, so nothing reads them.
        """
        # The gradient of a product with one-hot rows is a product; that of a gather is a slow scatter. All
        # small tables share one product, as narrow products use a processor badly.
        tables = [self.tables[field][...] for field in self.fields]
        if self.roots:
            roots = jnp.array(self.roots)[codes[..., self.category]]
            codes = jnp.concatenate([codes, roots[..., None]], axis=-1)
        present = jnp.isfinite(numbers)
        values = jnp.where(present, numbers, 0.0)
        distances = jnp.abs(values[..., None] - jnp.array(KNOTS)[None, None, None])
        hats = jnp.maximum(0.0, 1 - distances / (KNOTS[1] - KNOTS[0])) * present[..., None].astype(
            jnp.float32
        )
        parts = []
        if self.small:
            one_hots = [jax.nn.one_hot(codes[..., i], self.sizes[i]) for i in self.small]
            small_tables = block_diag(*[tables[i] for i in self.small])
            parts.append(jnp.concatenate(one_hots, axis=-1) @ small_tables)
        parts += [tables[i][codes[..., i]] for i in self.large]
        of_numbers = [
            values,
            hats.reshape(*numbers.shape[:-1], numbers.shape[-1] * len(KNOTS)),
            (~present).astype(jnp.float32),
        ]
        if self.item is None:
            return jnp.concatenate([*parts, *of_numbers], axis=-1)
        items = codes[..., self.item]
        again = (items == _previous(items, time_axis))[..., None].astype(jnp.float32)
        uncoded = (items < FIRST_VALUE)[..., None].astype(jnp.float32)
        event = jnp.concatenate([*parts, tables[self.item][items], *of_numbers, again], axis=-1)
        return event * (1 + uncoded * self.doubt[...][None, None])


def _previous(items: Array, axis: int) -> Array:
    """Return the item of the step before, -1 at the first step."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (1, 0)
    padded = jnp.pad(items, padding, constant_values=-1)
    return jax.lax.slice_in_dim(padded, 0, items.shape[axis], axis=axis)


def large_tables(weights: Any) -> Any:
    """Return a tree like `weights`, true where a leaf is the table of a field with many codes."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: "tables" in jax.tree_util.keystr(path) and leaf.shape[0] > ONE_HOT_SIZE, weights
    )


@dataclass(frozen=True)
class NetworkShape:
    """What a network must know of the data and of the target, besides its settings.

    sizes: codes of each field; roots: the root of each category code, empty without a category tree; length:
    steps of a window; outputs: logits per step.
    """

    sizes: dict[str, int]
    roots: Sequence[int]
    length: int
    outputs: int

    def embedding(self, width: int, *, rngs: nnx.Rngs) -> EventEmbedding:
        """Return the shared embedding of events; width: of the item's part."""
        return EventEmbedding(width, sizes=self.sizes, roots=self.roots, rngs=rngs)


class StepHead(nnx.Module):
    """The output head of all networks: an MLP with one hidden layer, which returns logits at every step.

    For the purchase target it returns two logits, `RUNNING` and `ENDED`; for the next event one per class.
    """

    def __init__(self, features: int, width: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(features, width, rngs=rngs)
        self.logits = nnx.Linear(width, outputs, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

    def __call__(self, values: Array) -> Array:
        """Return float32 [.., outputs] for float32 [.., features]."""
        return self.logits(nnx.gelu(self.hidden(values)))

    def init_output_bias(self, logits: NDArray[np.float32]) -> None:
        """Set the output bias, so that an untrained model predicts these logits, float32 [outputs]."""
        assert self.logits.bias is not None
        self.logits.bias[...] = jnp.asarray(logits)


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
