"""The shared event embedding: a step's nine fields become one vector."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.scipy.linalg import block_diag
from numpy.typing import NDArray

from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, NUMERIC

ITEM = CATEGORICAL.index("item")
CATEGORY = CATEGORICAL.index("category")

ONE_HOT_SIZE = 128
"""Fields with at most so many codes are looked up by a product with one-hot rows."""


KNOTS = tuple(step / 2 for step in range(-4, 5))
"""Where a normalised number's hat functions have their peaks, half a deviation apart."""


class RowTable(nnx.Param):
    """A table of which a step touches few rows; the training loop updates just those."""


class EventEmbedding(nnx.Module):
    """One table per categorical field, the numeric fields beside, and whether the item is the step before's.

    The item takes `embedding_width` numbers; another field of n codes about sqrt(n), at most half of that.
    A number comes as it is and as hat functions around `KNOTS` (a piecewise linear encoding: Gorishniy,
    Rubachev and Babenko 2022, arXiv:2203.05556, section 3.2), as what it says is seldom linear; a missing
    one is 0, with an indicator of 1. Where the shop has a tree of categories, `roots` holds the root above
    each category code, and a table of roots stands beside that of categories: what few sessions tell of a
    category, many tell of its root. `doubt` is added, number by number, to a scale of 1 where an item has
    no code of its own (it is rare, unseen or missing): what holds of known items need not hold of these,
    and there are too few to learn it field by field.
    """

    def __init__(
        self, *, embedding_width: int, sizes: dict[str, int], roots: Sequence[int], rngs: nnx.Rngs
    ) -> None:
        self.roots = tuple(roots)
        self.fields = (*CATEGORICAL, "root") if roots else CATEGORICAL
        counts = sizes | {"root": max(roots, default=0) + 1}
        self.sizes = tuple(counts[field] for field in self.fields)
        self.small = tuple(
            index for index, size in enumerate(self.sizes) if size <= ONE_HOT_SIZE and index != ITEM
        )
        self.large = tuple(
            index for index in range(len(self.sizes)) if index not in self.small and index != ITEM
        )
        widths = [
            embedding_width if index == ITEM else min(max(1, embedding_width // 2), round(size**0.5) + 1)
            for index, size in enumerate(self.sizes)
        ]
        # All rows of a table begin nearly alike: what tells two values apart is what was learned of them,
        # not the random numbers that they began with, by which the networks know train's sessions.
        tables = [
            (RowTable if index == ITEM else nnx.Param)(
                jax.random.normal(rngs.params(), (size, width), jnp.float32)
                * (0.1 if size <= ONE_HOT_SIZE else 0.01)
            )
            for index, (size, width) in enumerate(zip(self.sizes, widths, strict=True))
        ]
        self.tables = nnx.Dict(dict(zip(self.fields, tables, strict=True)))
        self.features = sum(widths) + (2 + len(KNOTS)) * len(NUMERIC) + 1
        self.doubt = nnx.Param(jnp.zeros(self.features))

    def __call__(self, codes: Array, numbers: Array, *, time_axis: int) -> Array:
        """Read int32 [.., .., 7] and float32 [.., .., 2]; return float32 [.., .., features].

        `time_axis` (0 or 1) is the axis of the steps. Steps of padding give vectors like any other: the
        networks are causal and padding comes last, so that nothing reads them.
        """
        # A product with one-hot rows has a product for derivative, where a gather has a slow scatter; and
        # all small tables in one product, as narrow ones use a processor badly.
        tables = [self.tables[field][...] for field in self.fields]
        if self.roots:
            roots = jnp.array(self.roots)[codes[..., CATEGORY]]
            codes = jnp.concatenate([codes, roots[..., None]], axis=-1)
        hot = jnp.concatenate([jax.nn.one_hot(codes[..., i], self.sizes[i]) for i in self.small], axis=-1)
        known = jnp.isfinite(numbers)
        values = jnp.where(known, numbers, 0.0)
        hats = jnp.maximum(0.0, 1 - jnp.abs(values[..., None] - jnp.array(KNOTS)) / (KNOTS[1] - KNOTS[0]))
        item = codes[..., ITEM]
        before = _shift(item, time_axis)
        parts = [
            hot @ block_diag(*[tables[i] for i in self.small]),
            *[tables[i][codes[..., i]] for i in self.large],
            tables[ITEM][item],
            values,
            (hats * known[..., None]).reshape(*numbers.shape[:-1], -1),
            (~known).astype(jnp.float32),
            (item == before)[..., None].astype(jnp.float32),
        ]
        uncoded = (item < FIRST_VALUE)[..., None]
        return jnp.concatenate(parts, axis=-1) * (1 + uncoded * self.doubt[...])


def _shift(item: Array, axis: int) -> Array:
    """Return the item of the step before, -1 at the first."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 0)
    return jax.lax.slice_in_dim(jnp.pad(item, pad, constant_values=-1), 0, item.shape[axis], axis=axis)


def large_tables(weights: Any) -> Any:
    """Return a tree like `weights`, true where a leaf is the table of a field with many codes."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: "tables" in jax.tree_util.keystr(path) and leaf.shape[0] > ONE_HOT_SIZE, weights
    )


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

    def init_output_bias(self, logits: NDArray[np.float32]) -> None:
        """Let the first guess be these logits, float32 [outputs], whatever was seen."""
        assert self.logits.bias is not None
        self.logits.bias[...] = jnp.asarray(logits)
