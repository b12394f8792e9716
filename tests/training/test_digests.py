"""A change of one objective, or of one model, must not retrain the models of another."""

import json

import pytest

from rabbithole.workflow.digests import code_digest

OBJECTIVES = {"rabbithole.training.purchase", "rabbithole.training.next_event"}
MODELS = {
    f"rabbithole.models.{name}"
    for name in (
        "gru",
        "dilated_conv",
        "lstm",
        "gradient_boosting",
        "logistic_regression",
        "estimators",
        "features.matrix",
    )
}


def test_training_reaches_objectives_and_models_only_by_name() -> None:
    modules = json.loads(code_digest("rabbithole.training.train")).keys()
    assert "rabbithole.training.trainer" in modules
    assert not modules & (OBJECTIVES | MODELS)


def test_the_next_event_does_not_depend_on_balancing_and_calibration() -> None:
    modules = json.loads(code_digest("rabbithole.training.train", "rabbithole.training.next_event")).keys()
    assert "rabbithole.training.purchase" not in modules


@pytest.mark.parametrize("module", ["loop", "checkpoints"])
def test_the_text_branch_s_part_of_training_is_free_of_sessions(module: str) -> None:
    modules = json.loads(code_digest(f"rabbithole.training.{module}")).keys()
    shared = {f"rabbithole.training.{name}" for name in ("loop", "checkpoints")}
    assert {name for name in modules if name.startswith("rabbithole.training")} <= shared
    assert not any(name.startswith(("rabbithole.models", "rabbithole.windows")) for name in modules)
