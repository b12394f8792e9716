"""What holds for every network: causality, padding without effect, and a receptive field that suffices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import NETWORK_SIZES, SIZES, network_settings
from flax import nnx

from rabbithole.models.dilated_conv import TAPS, GatedBlock, dilations_for
from rabbithole.models.gru_layer import GruLayer, recurrence
from rabbithole.models.layers import NetworkShape
from rabbithole.models.registry import model_code
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, RARE, UNSEEN

LENGTH = 12
NETWORKS = ("gru", "dilated_conv", "lstm")
SETTINGS = network_settings(embedding_width=6, dropout=0.3)


def network(name: str, length: int = LENGTH, outputs: int = 3, roots=()):
    code = model_code(name, SETTINGS)
    return code.model(code.settings, NetworkShape(NETWORK_SIZES, roots, length, outputs), rngs=nnx.Rngs(0))


@nnx.jit
def logits_of(model, codes, numbers, key=None):
    """Return a network's logits; compiled as one program, as operation by operation takes seconds."""
    return model(jnp.asarray(codes), jnp.asarray(numbers), key)


def steps(count: int, length: int = LENGTH):
    """Return random codes and numbers, [count, length, 7] and [count, length, 2]."""
    rng = np.random.default_rng(1)
    codes = np.stack([rng.integers(FIRST_VALUE, SIZES[field], (count, length)) for field in CATEGORICAL], -1)
    return codes.astype(np.int32), rng.normal(size=(count, length, 2)).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_s_logits_depend_on_no_later_step(name):
    model, (codes, numbers) = network(name), steps(3)
    before = logits_of(model, codes, numbers)
    for changed in (4, LENGTH - 1):
        other_codes, other_numbers = codes.copy(), numbers.copy()
        other_codes[:, changed:] = FIRST_VALUE
        other_numbers[:, changed:] = 9.0
        after = logits_of(model, other_codes, other_numbers)
        np.testing.assert_allclose(after[:, :changed], before[:, :changed], atol=1e-6)
        assert np.abs(after[:, changed] - before[:, changed]).min() > 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_nothing(name):
    model, (codes, numbers) = network(name), steps(3)
    padded_codes = np.pad(codes[:, :5], ((0, 0), (0, LENGTH - 5), (0, 0)))
    padded_numbers = np.pad(numbers[:, :5], ((0, 0), (0, LENGTH - 5), (0, 0)))
    short = logits_of(model, codes[:, :5], numbers[:, :5])
    padded = logits_of(model, padded_codes, padded_numbers)
    np.testing.assert_allclose(padded[:, :5], short, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_categories_of_one_root_share_its_embedding(name):
    """Two categories whose own embeddings are zero differ only by their roots."""
    (codes, numbers), category = steps(1), CATEGORICAL.index("category")
    first, second = codes.copy(), codes.copy()
    first[..., category], second[..., category] = FIRST_VALUE, FIRST_VALUE + 1
    for own, same in ((1, True), (2, False)):
        model = network(
            name, roots=[0] * FIRST_VALUE + [1, own] + [1] * (SIZES["category"] - FIRST_VALUE - 2)
        )
        table = model.embedding.tables["category"]
        table[...] = jnp.zeros_like(table[...])
        logits = [logits_of(model, each, numbers) for each in (first, second)]
        assert np.allclose(*logits, atol=1e-7) == same


@pytest.mark.parametrize("code", [MISSING, UNSEEN, RARE, FIRST_VALUE])
def test_doubt_changes_only_items_without_a_code(code):
    """With a doubt of -1, such an event's vector is zero, even its time."""
    embedding, (codes, numbers) = network("gru").embedding, steps(1)
    codes[:, 3, CATEGORICAL.index("item")] = code
    before = embedding(jnp.array(codes), jnp.array(numbers), time_axis=1)
    embedding.doubt[...] = jnp.full(embedding.features, -1.0)
    after = embedding(jnp.array(codes), jnp.array(numbers), time_axis=1)
    expected = np.array(before)
    expected[:, 3] *= code == FIRST_VALUE
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_step_of_a_window_reaches_the_last(name):
    model, (codes, numbers) = network(name), steps(2)
    changed = codes.copy()
    changed[:, 0] = FIRST_VALUE + 1
    difference = logits_of(model, changed, numbers) - logits_of(model, codes, numbers)
    assert np.abs(difference[:, -1]).min() > 1e-9


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 64, 100, 128, 129])
def test_dilations_cover_the_window_without_a_spare_layer(length):
    dilations = dilations_for(length)
    assert dilations == [TAPS**n for n in range(len(dilations))]

    def reach(dilations):
        return 1 + sum((TAPS - 1) * dilation for dilation in dilations)

    assert reach(dilations) >= length
    assert len(dilations) == 1 or reach(dilations[:-1]) < length


@pytest.mark.parametrize("steps", [1, 3, 8, 30])
def test_a_block_is_a_causal_convolution(steps):
    """Against the sum over taps in numpy, however short the session."""
    block = GatedBlock(4, 5, rngs=nnx.Rngs(0))
    values = np.random.default_rng(4).normal(size=(2, steps, 4)).astype(np.float32)
    kernel = np.asarray(block.taps.kernel[...]).reshape(TAPS, 4, 8)
    gates = np.zeros((2, steps, 8)) + np.asarray(block.taps.bias[...])
    for step in range(steps):
        for tap in range(TAPS):
            if step >= 5 * tap:
                gates[:, step] += values[:, step - 5 * tap] @ kernel[tap]
    expected = np.tanh(gates[..., :4]) / (1 + np.exp(-gates[..., 4:]))
    after, skip = block(jnp.array(values))
    np.testing.assert_allclose(skip, expected, atol=1e-5)
    np.testing.assert_allclose(after, values + np.asarray(block.residual(skip)), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_is_on_only_with_a_key(name):
    model, (codes, numbers) = network(name), steps(2)
    plain = logits_of(model, codes, numbers)
    np.testing.assert_array_equal(plain, logits_of(model, codes, numbers))
    dropped = logits_of(model, codes, numbers, jax.random.key(0))
    assert np.abs(dropped - plain).max() > 1e-3


def test_the_recurrent_layer_is_a_gated_recurrent_unit():
    """Against the equations of Cho et al. (2014) in numpy, in the form with the reset after the product."""
    layer = GruLayer(3, 4, rngs=nnx.Rngs(0))
    layer.state_bias[...] = jnp.linspace(-1.0, 1.0, 12)
    inputs = np.random.default_rng(2).normal(size=(5, 2, 3)).astype(np.float32)
    state = np.full((2, 4), 0.3, np.float32)
    states, last = layer(jnp.array(inputs), jnp.array(state))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    kernel, bias = np.asarray(layer.input_gates.kernel[...]), np.asarray(layer.input_gates.bias[...])
    state_kernel, state_bias = np.asarray(layer.state_kernel[...]), np.asarray(layer.state_bias[...])
    expected = state
    for step in range(5):
        from_input = np.split(inputs[step] @ kernel + bias, 3, axis=-1)
        from_state = np.split(expected @ state_kernel + state_bias, 3, axis=-1)
        reset, update = (sigmoid(from_input[n] + from_state[n]) for n in range(2))
        new = np.tanh(from_input[2] + reset * from_state[2])
        expected = (1 - update) * new + update * expected
        np.testing.assert_allclose(states[step], expected, atol=1e-5)
    np.testing.assert_allclose(last, expected, atol=1e-5)


def test_the_recurrence_s_own_gradient_equals_jax_s():
    rng = np.random.default_rng(3)
    gates = tuple(jnp.array(rng.normal(size=(5, 2, 4)), jnp.float32) for _ in range(3))
    kernel, bias, state = (jnp.array(rng.normal(size=s), jnp.float32) for s in ((4, 12), (12,), (2, 4)))

    def plain(gates, kernel, bias, state):
        states = []
        for step in range(5):
            part = jnp.split(state @ kernel + bias[None], 3, -1)
            reset, update = (jax.nn.sigmoid(gates[n][step] + part[n]) for n in range(2))
            state = (1 - update) * jnp.tanh(gates[2][step] + reset * part[2]) + update * state
            states.append(state)
        return jnp.sum(jnp.stack(states) ** 2)

    def ours(*arguments):
        return jnp.sum(recurrence(*arguments) ** 2)

    expected = jax.grad(plain, argnums=(0, 1, 2, 3))(gates, kernel, bias, state)
    gradients = jax.grad(ours, argnums=(0, 1, 2, 3))(gates, kernel, bias, state)
    for one, other in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
