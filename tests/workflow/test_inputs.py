"""The settings determine the files that the comparison, figure and report rules read."""

import json
from pathlib import Path

import pytest
from workflow.projects import project, wildcards

from rabbithole.workflow.inputs import RuleInputs
from rabbithole.workflow.project import load_project
from rabbithole.workflow.serving_inputs import ServingInputs

CLICKS = wildcards(dataset="clicks")


def test_several_seeds_have_an_ensemble_and_a_single_seed_has_none() -> None:
    single, several = (RuleInputs(project(training_seeds=seeds)) for seeds in ([0], [0, 4]))
    runs = {"gru seed 0", "gradient_boosting seed 0", "oracle"}
    assert set(json.loads(single.named_scores(CLICKS))) == runs
    assert set(json.loads(several.named_scores(CLICKS))) == {
        *(f"{model} seed {seed}" for model in ("gru", "gradient_boosting") for seed in (0, 4)),
        "gru ensemble",
        "gradient_boosting ensemble",
        "oracle",
    }
    of_gru = wildcards(dataset="clicks", model="gru")
    assert several.seed_scores(of_gru) == [
        f"results/clicks/gru/seed-{seed}/scores.parquet" for seed in (0, 4)
    ]


def test_sessions_that_differ_from_the_simulated_sessions_have_no_oracle() -> None:
    inputs = RuleInputs(project(datasets={"shop": {"sessions": {"gap_minutes": 30}}}))
    assert "oracle" not in json.loads(inputs.named_scores(wildcards(dataset="shop")))
    assert inputs.oracle_option(wildcards(dataset="shop")) == []
    assert inputs.oracle_option(CLICKS) == ["--oracle", "results/clicks/oracle/scores.parquet"]


def test_a_blend_combines_all_other_models_of_its_seed() -> None:
    inputs = RuleInputs(project(models={"blend": {}}, training_seeds=[0, 4]))
    of_seed = wildcards(dataset="clicks", model="blend", seed="4")
    expected = {name: f"results/clicks/{name}/seed-4/checkpoint" for name in ("gru", "gradient_boosting")}
    assert json.loads(inputs.members_json(of_seed)) == expected
    assert inputs.members(of_seed) == list(expected.values())
    assert "blend seed 4" in json.loads(inputs.named_scores(CLICKS))


def test_an_ensemble_uses_all_checkpoints_and_a_seed_its_own() -> None:
    inputs = RuleInputs(project(training_seeds=[0, 4]))
    paths = [f"results/clicks/gru/seed-{seed}/checkpoint" for seed in (0, 4)]
    assert inputs.checkpoints(wildcards(dataset="clicks", model="gru", seeds="ensemble")) == paths
    assert inputs.checkpoints(wildcards(dataset="clicks", model="gru", seeds="seed-4")) == paths[1:]


def test_the_page_lists_each_file_that_it_shows_once() -> None:
    files = RuleInputs(project(datasets={"shop": {"target": "next_event"}})).page()
    assert len(set(files)) == len(files)
    for name in (
        "clicks/events.json",
        "clicks/oracle/metrics.json",
        "clicks/gru/seed-0/explanation.json",
        "clicks/comparison.json",
        "report/figures/clicks-roc.svg",
        "shop/gru/seed-0/next_event.json",
        "shop/markov/next_event.json",
        "shop/windows.json",
        "alice/deck/samples.json",
        "report/figures/alice_learning.svg",
    ):
        assert f"results/{name}" in files
    assert not any("shop" in file and "metrics.json" in file for file in files)


def test_a_figure_reads_only_the_files_that_it_shows() -> None:
    inputs = RuleInputs(project())
    shown = {
        figure: inputs.figure(wildcards(dataset="clicks", figure=figure))
        for figure in ("roc", "lengths", "learning", "journeys")
    }
    assert shown["lengths"] == ["results/clicks/sessions"]
    assert "results/clicks/oracle/metrics.json" in shown["roc"]
    assert shown["learning"] == [
        f"results/clicks/{model}/seed-0/history.json" for model in ("gru", "gradient_boosting")
    ]
    assert shown["journeys"][-1] == "results/clicks/oracle/scores.parquet"


def test_without_the_text_branch_the_page_shows_no_file_of_it() -> None:
    with_alice, without = RuleInputs(project()), RuleInputs(project(alice=None))
    assert without.of_alice() is None
    assert set(with_alice.page()) - set(without.page()) == {
        "results/report/figures/alice_learning.svg",
        *(
            f"results/alice/{model}/{file}.json"
            for model in ("deck", "char_gru")
            for file in ("history", "metrics", "samples")
        ),
    }


def test_each_fold_is_a_data_set_of_its_own_up_to_the_scores_that_are_joined() -> None:
    split = {"by": "folds", "count": 3}
    inputs = RuleInputs(project(datasets={"shop": {"split": split}}, models={"blend": {}}))
    fold = wildcards(dataset="shop/fold-2", model="blend", seed="0")
    assert inputs.events(fold) == "results/shop/events" and inputs.raw(fold) == "results/shop/raw"
    assert inputs.members(fold)[0] == "results/shop/fold-2/gru/seed-0/checkpoint"
    joined = wildcards(dataset="shop", run="gru/seed-0", scores="scores")
    assert inputs.fold_scores(joined) == [
        f"results/shop/fold-{number}/gru/seed-0/scores.parquet" for number in range(3)
    ]
    shop = wildcards(dataset="shop")
    assert json.loads(inputs.named_scores(shop))["gru seed 0"] == "results/shop/gru/seed-0/scores.parquet"
    serving = ServingInputs(inputs.project)
    assert json.loads(serving.packaged_checkpoints(shop))["gru/seed-0"].startswith("results/shop/fold-0/")
    page = inputs.of_dataset("shop")
    assert page.checks == [f"results/shop/fold-{number}/checks.json" for number in range(3)]
    assert inputs.first_windows(CLICKS) == "results/clicks/windows" and serving.pooled_option(CLICKS) == []


def test_a_result_that_is_read_as_settings_may_be_meant_as_a_target(tmp_path: Path) -> None:
    (metrics := tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"auc: there is no such key .*\nIf metrics.json is a target, write"):
        load_project({"auc": 1}, "results", overlay={}, words={}, files=["config.yaml", metrics])
