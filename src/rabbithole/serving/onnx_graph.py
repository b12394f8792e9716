"""Writes models as ONNX graphs, operator by operator: networks from codes, estimators from features.

JAX's own exporters for ONNX pin older versions of JAX's libraries, so the few layers that the networks use
are written with ONNX's helpers. So are estimators: skl2onnx 1.20 gives ONNX 1.23 the numbers of nodes as
NumPy integers, which that refuses. Batch and length are left open.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rabbithole.models.dilated_conv import TAPS
from rabbithole.models.estimators import AggregateModel
from rabbithole.models.layers import KNOTS, EventEmbedding, StepHead
from rabbithole.models.logistic_regression import handful
from rabbithole.models.sklearn_private import first_log_odds, tree_nodes
from rabbithole.windows.fields import FIRST_VALUE

OPSET, IR_VERSION = 20, 10
TREE_DOMAIN, TREE_OPSET = "ai.onnx.ml", 3


class Graph:
    """A growing ONNX graph. Every method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Add an array."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.asarray(values, kind), name)
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add an operator; returns its last output (the only one of most)."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def linear(self, values: str, layer: Any) -> str:
        """Apply an `nnx.Linear` to the last axis."""
        product = self.op("MatMul", values, self.constant(layer.kernel[...]))
        return self.op("Add", product, self.constant(layer.bias[...]))

    def model(self, logits: str, inputs: list[Any], shape: list[Any], **opsets: int) -> onnx.ModelProto:
        """Return the finished model. shape: of the logits; opsets: versions of further domains."""
        graph = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [logits], ["logits"])],
            "rabbithole",
            inputs,
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
            list(self.constants.values()),
        )
        versions = {"": OPSET, **opsets}
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in versions.items()],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def embed(graph: Graph, embedding: EventEmbedding) -> str:
    """Add the event embedding; see `EventEmbedding`. Returns float32 [sessions, steps, features]."""
    axis = [graph.constant([2], np.int64)]
    codes = {
        index: graph.op(
            "Squeeze", graph.op("Gather", "codes", graph.constant([index], np.int64), axis=2), *axis
        )
        for index in range(len(embedding.fields) - bool(embedding.roots))
    }
    if embedding.roots:
        assert embedding.category is not None
        roots = graph.constant(embedding.roots, np.int32)
        codes[len(codes)] = graph.op("Gather", roots, codes[embedding.category], axis=0)

    def rows(index: int) -> str:
        table = graph.constant(embedding.tables[embedding.fields[index]][...])
        return graph.op("Gather", table, codes[index], axis=0)

    parts = [rows(index) for index in (*embedding.small, *embedding.large)]
    if embedding.item is not None:
        parts.append(rows(embedding.item))
    parts += _numbers(graph)
    if embedding.item is None:
        return graph.op("Concat", *parts, axis=-1)
    items = codes[embedding.item]
    parts.append(_repeated(graph, items))
    event = graph.op("Concat", *parts, axis=-1)
    uncoded = _float(graph, graph.op("Less", items, graph.constant(FIRST_VALUE, np.int32)))
    uncoded = graph.op("Unsqueeze", uncoded, graph.constant([-1], np.int64))
    doubt = graph.op("Mul", uncoded, graph.constant(embedding.doubt[...]))
    return graph.op("Mul", event, graph.op("Add", doubt, graph.constant(1.0)))


def _float(graph: Graph, mask: str) -> str:
    return graph.op("Cast", mask, to=TensorProto.FLOAT)


def _numbers(graph: Graph) -> list[str]:
    """Add the numeric fields: values, hat functions around the knots, and what is missing."""
    missing = graph.op("IsNaN", "numbers")
    values = graph.op("Where", missing, graph.constant(0.0), "numbers")
    last = graph.constant([-1], np.int64)
    apart = graph.op("Abs", graph.op("Sub", graph.op("Unsqueeze", values, last), graph.constant(KNOTS)))
    scaled = graph.op("Div", apart, graph.constant(KNOTS[1] - KNOTS[0]))
    hats = graph.op("Relu", graph.op("Sub", graph.constant(1.0), scaled))
    present = graph.op("Sub", graph.constant(1.0), _float(graph, missing))
    hats = graph.op("Mul", hats, graph.op("Unsqueeze", present, last))
    flat = graph.op("Reshape", hats, graph.constant([0, 0, -1], np.int64))
    return [values, flat, _float(graph, missing)]


def _repeated(graph: Graph, items: str) -> str:
    """Add whether each item is that of the step before; the first step has none before it."""
    one, axis = graph.constant([1], np.int64), graph.constant([1], np.int64)
    start = graph.constant([0], np.int64)
    first = graph.op("Slice", items, start, one, axis)
    nothing = graph.op(
        "Sub", graph.op("Mul", first, graph.constant(0, np.int32)), graph.constant(1, np.int32)
    )
    before = graph.op("Slice", items, start, graph.constant([-1], np.int64), axis)
    same = graph.op("Equal", items, graph.op("Concat", nothing, before, axis=1))
    return graph.op("Unsqueeze", _float(graph, same), graph.constant([-1], np.int64))


def head(graph: Graph, values: str, layer: StepHead) -> str:
    """Add the output head."""
    hidden = graph.op("Gelu", graph.linear(values, layer.hidden), approximate="tanh")
    return graph.linear(hidden, layer.logits)


def gru(model: Any) -> onnx.ModelProto:
    """Return a GRU network as an ONNX model."""
    graph = Graph()
    # ONNX's GRU takes time first, as [steps, sessions, features].
    values = graph.op("Transpose", embed(graph, model.embedding), perm=[1, 0, 2])
    for layer in model.layers:
        weights = _gates(np.asarray(layer.input_gates.kernel[...]).T)
        states = _gates(np.asarray(layer.state_kernel[...]).T)
        bias = np.concatenate(
            [_gates(np.asarray(layer.input_gates.bias[...])), _gates(np.asarray(layer.state_bias[...]))]
        )
        values = graph.op(
            "GRU",
            values,
            *(graph.constant(array[None]) for array in (weights, states, bias)),
            hidden_size=layer.width,
            linear_before_reset=1,
        )
        values = graph.op("Squeeze", values, graph.constant([1], np.int64))
    values = graph.op("Transpose", values, perm=[1, 0, 2])
    return _network(graph, values, model)


def _gates(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the gates reset, update, candidate [3 width, ..] in ONNX's order: update, reset, candidate."""
    reset, update, candidate = np.split(kernel, 3)
    return np.concatenate([update, reset, candidate])


def dilated_conv(model: Any) -> onnx.ModelProto:
    """Return a network of dilated causal convolutions as an ONNX model."""
    graph = Graph()
    values = graph.linear(embed(graph, model.embedding), model.entry)
    width = model.entry.out_features
    skips = [values]
    for block in model.blocks:
        kernel = np.asarray(block.taps.kernel[...]).reshape(TAPS, width, 2 * width)
        gates = graph.op(
            "Conv",
            graph.op("Transpose", values, perm=[0, 2, 1]),
            # A convolution's last tap reads the present step; ours comes first.
            graph.constant(kernel[::-1].transpose(2, 1, 0)),
            graph.constant(block.taps.bias[...]),
            dilations=[block.dilation],
            pads=[(TAPS - 1) * block.dilation, 0],
        )
        gates = graph.op("Transpose", gates, perm=[0, 2, 1])
        halves = [
            graph.op(
                "Slice", gates, *(graph.constant([edge], np.int64) for edge in (start, start + width, 2))
            )
            for start in (0, width)
        ]
        skip = graph.op("Mul", graph.op("Tanh", halves[0]), graph.op("Sigmoid", halves[1]))
        values = graph.op("Add", values, graph.linear(skip, block.residual))
        skips.append(skip)
    return _network(graph, graph.op("Concat", *skips, axis=-1), model)


def _network(graph: Graph, values: str, model: Any) -> onnx.ModelProto:
    """Return the finished network: codes and numbers in, logits out."""
    embedding = model.embedding
    shape: list[Any] = ["sessions", "steps"]
    categorical = len(embedding.fields) - bool(embedding.roots)
    inputs = [
        helper.make_tensor_value_info("codes", TensorProto.INT32, [*shape, categorical]),
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [*shape, embedding.numbers]),
    ]
    logits = head(graph, values, model.head)
    return graph.model(logits, inputs, [*shape, model.head.logits.out_features])


def gradient_boosting(model: AggregateModel) -> onnx.ModelProto:
    """Return boosted trees as an ONNX model."""
    trees = tree_nodes(model.estimator)
    nodes = np.concatenate(trees)
    sizes = [len(tree) for tree in trees]
    number = np.concatenate([np.arange(size) for size in sizes])
    tree = np.repeat(np.arange(len(sizes)), sizes)
    assert not nodes["is_categorical"].any(), "all features are numbers"
    leaf = nodes["is_leaf"].astype(bool)
    branches = np.where(leaf, 0, nodes["num_threshold"])
    graph = Graph()
    sums = graph.op(
        "TreeEnsembleRegressor",
        "features",
        domain=TREE_DOMAIN,
        n_targets=1,
        base_values=[first_log_odds(model.estimator)],
        nodes_treeids=tree.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_featureids=np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        nodes_values=_rounded_down(branches).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_truenodeids=np.where(leaf, 0, nodes["left"]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, nodes["right"]).tolist(),
        nodes_missing_value_tracks_true=np.where(leaf, 0, nodes["missing_go_to_left"]).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=number[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=nodes["value"][leaf].tolist(),
    )
    return _estimator(graph, sums, model)


def logistic_regression(model: AggregateModel) -> onnx.ModelProto:
    """Return a pipeline of imputer, scaler and logistic regression as an ONNX model."""
    imputer, scaler, regression = (step for _, step in model.estimator.steps)
    graph = Graph()
    columns = graph.constant(handful(model.names), np.int64)
    chosen = graph.op("Gather", "features", columns, axis=1)
    logs = graph.op("Log", graph.op("Add", graph.op("Abs", chosen), graph.constant(1.0)))
    logs = graph.op("Mul", logs, graph.op("Sign", chosen))
    filled = graph.op("Where", graph.op("IsNaN", chosen), graph.constant(imputer.statistics_), logs)
    # Scaler and regression are one product.
    coefficients = regression.coef_[0] / scaler.scale_
    intercept = regression.intercept_[0] - coefficients @ scaler.mean_
    product = graph.op("MatMul", filled, graph.constant(coefficients[:, None]))
    return _estimator(graph, graph.op("Add", product, graph.constant(intercept)), model)


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: a float32 is at or below both, or above both."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _estimator(graph: Graph, log_odds: str, model: AggregateModel) -> onnx.ModelProto:
    """Return the finished estimator: features in, log odds out, [sessions]."""
    flat = graph.op("Squeeze", log_odds, graph.constant([1], np.int64))
    shape: list[Any] = ["sessions", len(model.names)]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)
    return graph.model(flat, [features], ["sessions"], **{TREE_DOMAIN: TREE_OPSET})


WRITERS: dict[str, Callable[[Any], onnx.ModelProto]] = {
    "gru": gru,
    "dilated_conv": dilated_conv,
    "gradient_boosting": gradient_boosting,
    "logistic_regression": logistic_regression,
}
"""Models that can be written as ONNX."""
