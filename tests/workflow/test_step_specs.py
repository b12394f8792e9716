"""The spec of a step contains exactly the settings that the step reads."""

import json
import re
from pathlib import Path

import pytest
from workflow.projects import project, wildcards

from rabbithole.specs.data import EventsSpec, Fold, SessionsSpec
from rabbithole.specs.report import PageSpec
from rabbithole.specs.training import TrainSpec
from rabbithole.workflow.step_specs import StepSpecs

CLICKS, SHOP = wildcards(dataset="clicks"), wildcards(dataset="shop")


def test_the_specs_contain_the_defaults_of_the_format() -> None:
    specs = StepSpecs(project())
    clicks, shop = (SessionsSpec.parse(specs.sessions(dataset)) for dataset in (CLICKS, SHOP))
    assert (clicks.by, clicks.cost, clicks.open_horizon_hours) == ("session", "purchases", 1)
    assert (shop.by, shop.cost, shop.open_horizon_hours) == ("visitor", "event", 24)


@pytest.mark.parametrize(
    ("changes", "seed"),
    [({}, 0), ({"split": {"by": "hash"}}, 7), ({"sessions": {"sample": 0.5}}, 7)],
)
def test_the_seed_is_in_the_spec_only_if_sessions_are_drawn_by_hash(changes: dict, seed: int) -> None:
    specs = StepSpecs(project(data_seed=7, datasets={"clicks": changes}))
    assert SessionsSpec.parse(specs.sessions(CLICKS)).seed == seed


def test_a_fold_is_in_the_specs_only_with_folds() -> None:
    specs = StepSpecs(project(data_seed=7, datasets={"shop": {"split": {"by": "folds", "count": 4}}}))
    spec = SessionsSpec.parse(specs.sessions(wildcards(dataset="shop/fold-3")))
    assert (spec.split.by, spec.split.shares, spec.seed) == ("folds", (0.5, 0.25, 0.25), 7)
    assert spec.split.fold == Fold(number=3, count=4)
    # A key at its default would make every finished run start again.
    assert json.loads(specs.sessions(CLICKS))["split"].keys() == {"by", "shares"}
    shown = PageSpec.parse(specs.page()).settings["datasets"]
    assert isinstance(shown, dict)
    splits = [section["split"].keys() for section in shown.values() if isinstance(section, dict)]
    assert splits == [{"by", "shares"}, {"by", "count"}]


def test_sessions_keep_a_history_of_a_window_only_if_windows_show_it() -> None:
    sessions = {"by": "visitor", "gap_minutes": 30}
    text = {
        history: StepSpecs(
            project(datasets={"shop": {"sessions": sessions, "windows": {"length": 21, "history": history}}})
        ).sessions(SHOP)
        for history in (True, False, None)
    }
    assert SessionsSpec.parse(text[True]).history == 21 and text[None] == text[True]
    # A key at its default would make every finished run start again.
    assert "history" not in json.loads(text[False])


@pytest.mark.parametrize(
    "changes",
    [
        {"sessions": {"gap_minutes": None}},
        {"sessions": {"cost": "purchases"}},
        {"target": "next_event"},
        {"windows": {"history": False}},
    ],
)
def test_there_is_a_history_by_default_only_where_it_can_be_and_leaks_nothing(changes: dict) -> None:
    shop = {"sessions": {"by": "visitor", "gap_minutes": 30} | changes.get("sessions", {})}
    specs = StepSpecs(project(datasets={"shop": changes | shop}))
    assert "history" not in json.loads(specs.sessions(SHOP))
    assert json.loads(specs.windows(SHOP))["fields"] is None


def test_a_history_is_marked_as_such_whatever_fields_are_named() -> None:
    shop = {"sessions": {"by": "visitor", "gap_minutes": 30}, "windows": {"fields": ["item"]}}
    specs = StepSpecs(project(datasets={"shop": shop}))
    assert json.loads(specs.windows(SHOP))["fields"] == ["item", "sessions_ago"]


def test_only_the_spec_of_a_network_contains_the_network_training_settings() -> None:
    specs = StepSpecs(project(training={"epochs": 9}))
    network, trees = (
        TrainSpec.parse(specs.train(wildcards(dataset="clicks", model=model, seed="3")))
        for model in ("gru", "gradient_boosting")
    )
    assert set(network.settings) == {
        *("embedding_width", "width", "layers", "dropout", "learning_rate", "weight_decay")
    }
    assert set(trees.settings) == {"learning_rate", "iterations", "leaves"}
    assert json.loads(network.training.model_dump_json())["epochs"] == 9
    assert list(json.loads(trees.training.model_dump_json())) == ["unseen_share"]
    assert network.seed == trees.seed == 3


def test_settings_that_change_no_result_are_in_no_spec() -> None:
    before, after = (
        StepSpecs(project(training={"checkpoint_minutes": minutes}, spark={"memory_mb": memory}))
        for minutes, memory in ((5.0, 3000), (7.0, 4000))
    )
    trained = wildcards(dataset="clicks", model="gru", seed="0")
    assert before.train(trained) == after.train(trained)
    assert before.events(CLICKS) == after.events(CLICKS)
    assert before.page() == after.page()


def test_evaluation_steps_beyond_the_window_are_omitted() -> None:
    specs = StepSpecs(project(datasets={"clicks": {"windows": {"length": 4}}}))
    assert json.loads(specs.score(CLICKS)) == {"steps": [1, 2, 3]}


def test_a_simulated_log_is_read_from_the_results_and_a_real_log_from_its_source(tmp_path: Path) -> None:
    (tmp_path / "yoochoose-clicks.dat").write_text("1,2014-04-07T10:51:09.277Z,2,0\n")
    real = project(datasets={"real": {"format": "yoochoose", "source": str(tmp_path)}})
    specs = StepSpecs(real)
    assert EventsSpec.parse(specs.events(CLICKS)).source == "results/clicks/raw"
    assert EventsSpec.parse(specs.events(wildcards(dataset="real"))).source == str(tmp_path)


def test_the_page_lists_each_data_set_under_its_target() -> None:
    specs = StepSpecs(project(datasets={"shop": {"target": "next_event"}}))
    page = PageSpec.parse(specs.page())
    assert list(page.datasets) == ["clicks"]
    assert list(page.next_events) == ["shop"]
    assert "spark" not in page.settings


def test_brackets_in_a_spec_are_no_wildcards_for_snakemake() -> None:
    specs = StepSpecs(project(report={"title": "{dataset} <results> {}"}))
    text = specs.page()
    assert not re.search(r"\{\s*\w+\s*\}|<\w+>", text)
    assert PageSpec.parse(text).title == "{dataset} <results> {}"
