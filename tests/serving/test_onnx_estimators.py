"""Trees and logistic regressions as ONNX give the log odds of the fitted model, at their thresholds too."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from factories import random_windows, write_windows
from numpy.typing import NDArray

from rabbithole.models import gradient_boosting, logistic_regression
from rabbithole.models.estimators import AggregateModel
from rabbithole.models.sklearn_private import tree_nodes
from rabbithole.serving.onnx_graph import WRITERS
from rabbithole.windows.arrays import Windows, read_encoding, read_split

MODELS = {
    "gradient_boosting": gradient_boosting.Model(
        gradient_boosting.Settings(learning_rate=0.1, iterations=30, leaves=8), seed=0
    ),
    "logistic_regression": logistic_regression.Model(logistic_regression.Settings(penalty=1.0), seed=0),
}


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Windows, Windows]:
    """Return train and valid, 400 sessions each."""
    folder, rng = tmp_path_factory.mktemp("splits"), np.random.default_rng(1)
    paths = [write_windows(folder / name, train=random_windows(400, rng, prefix=name)) for name in "tv"]
    first, second = (read_split(path, "train", read_encoding(path)) for path in paths)
    return first, second


def hard_rows(model: AggregateModel) -> NDArray[np.float32]:
    """Return features of many sizes, with missing ones, and values at and beside the thresholds of trees."""
    rng, columns = np.random.default_rng(5), len(model.names)
    rows = (rng.lognormal(0, 3, (4000, columns)) * rng.choice([-1, 1], (4000, columns))).astype(np.float32)
    if isinstance(model, gradient_boosting.Model):
        for nodes in tree_nodes(model.estimator):
            for node in nodes[nodes["is_leaf"] == 0]:
                at = np.float32(node["num_threshold"])
                beside = [at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))]
                places = rng.choice(len(rows), 60, replace=False)
                rows[places, node["feature_idx"]] = rng.choice(beside, 60)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[:, model.blank] = 0.0
    return rows


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_gives_the_log_odds_of_the_model(
    name: str, splits: tuple[Windows, Windows], tmp_path: Path
) -> None:
    fitted = MODELS[name]
    fitted.fit(splits[0], np.ones(400), splits[1], prefixes=True, shift=0.0)
    fitted.save(tmp_path)
    model = type(fitted).load(tmp_path)
    graph = WRITERS[name](model)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = hard_rows(model)
    expected = model.log_odds(rows)
    assert len(np.unique(expected.round(3))) > 50
    np.testing.assert_allclose(session.run(None, {"features": rows})[0], expected, atol=1e-5, rtol=1e-5)
