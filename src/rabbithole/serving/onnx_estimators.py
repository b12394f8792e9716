"""Writes boosted trees and logistic regressions as ONNX graphs, from features to log odds.

skl2onnx 1.20 cannot: it gives ONNX 1.23 the numbers of nodes as NumPy integers, which that refuses.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from rabbithole.models.estimators import AggregateModel
from rabbithole.models.logistic_regression import handful
from rabbithole.models.sklearn_private import first_log_odds, tree_nodes
from rabbithole.serving.onnx_graph import IR_VERSION, OPSET, Graph

TREE_OPSET = 3


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
        domain="ai.onnx.ml",
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
    return _finish(graph, sums, model)


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
    return _finish(graph, graph.op("Add", product, graph.constant(intercept)), model)


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: a float32 is at or below both, or above both."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _finish(graph: Graph, log_odds: str, model: AggregateModel) -> onnx.ModelProto:
    """Return the finished model: features in, log odds out, [sessions]."""
    flat = graph.op("Squeeze", log_odds, graph.constant([1], np.int64))
    made = helper.make_graph(
        [*graph.nodes, helper.make_node("Identity", [flat], ["logits"])],
        "rabbithole",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["sessions", len(model.names)])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["sessions"])],
        list(graph.constants.values()),
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
    proto = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(proto, full_check=True)
    return proto


WRITERS: dict[str, Any] = {"gradient_boosting": gradient_boosting, "logistic_regression": logistic_regression}
"""Estimators that can be written as ONNX."""
