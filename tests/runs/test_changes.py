"""A changed setting or module reruns the jobs that depend on it and no others."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from expected_jobs import (
    EXPLAINED,
    METRIC_FIGURES,
    MODEL_FIGURES,
    MODELS,
    NETWORKS,
    PAGE,
    SHOPS,
    YOOCHOOSE,
    drawn,
    evaluated,
    from_events,
    from_sessions,
    from_windows,
    trained,
)
from workflow_runs import Copy, with_constant

ROWS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "title": ({"report": {"title": "Who?"}}, PAGE),
    "figure style": (
        {"report": {"style": {"width": 5.0}}},
        drawn() | {"Drawing the learning curves of Alice"},
    ),
    "learning rate of one model": (
        {"models": {"gru": {"learning_rate": 0.01}}},
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "cost of a contact": ({"evaluation": {"contact_cost": 2.0}}, evaluated() | drawn(figures=METRIC_FIGURES)),
    "a seed added": (
        {"training_seeds": [0, 1]},
        {
            job.replace("seed 0", "seed 1").replace("seed-0", "seed-1")
            for job in trained()
            if "Explaining" not in job
        }
        | {f"Averaging the seeds of {model} on {shop}" for model in MODELS for shop in SHOPS}
        | {f"Evaluating {model}/ensemble on {shop}" for model in MODELS for shop in SHOPS}
        | drawn(figures=(*METRIC_FIGURES, "learning")),
    ),
    "balance": (
        {"datasets": {"yoochoose": {"balance": "class_weight"}}},
        trained(YOOCHOOSE) | drawn(YOOCHOOSE, MODEL_FIGURES),
    ),
    "augmentation": (
        {"datasets": {"yoochoose": {"augmentation": {"event_dropout": 0.1}}}},
        trained(YOOCHOOSE) | drawn(YOOCHOOSE, MODEL_FIGURES),
    ),
    "target": (
        {"datasets": {"yoochoose": {"target": "next_event"}}},
        {f"Training {model} on yoochoose, seed 0" for model in NETWORKS}
        | {f"Evaluating the next events of {model} on yoochoose, seed-0" for model in NETWORKS}
        | {
            "Evaluating the next-event baselines on yoochoose",
            "Evaluating the oracle's next events on yoochoose",
        }
        | PAGE,
    ),
    "minimum item count": (
        {"datasets": {"yoochoose": {"windows": {"minimum_item_count": 2}}}},
        from_windows(YOOCHOOSE),
    ),
    "window length": (
        {"datasets": {"yoochoose": {"windows": {"length": 60}}}},
        from_windows(YOOCHOOSE) | {"Scoring yoochoose with the oracle", "Evaluating oracle on yoochoose"},
    ),
    "time zone": ({"datasets": {"yoochoose": {"timezone": "Europe/Berlin"}}}, from_windows(YOOCHOOSE)),
    "split": ({"datasets": {"yoochoose": {"split": {"by": "hash"}}}}, from_sessions(YOOCHOOSE)),
    "session gap (there is no oracle then)": (
        {"datasets": {"retailrocket": {"sessions": {"gap_minutes": 30.0}}}},
        from_sessions(("retailrocket",), oracle=False),
    ),
    "a log to score, and a later one to watch its model with": (
        {
            "predict": {"today": {"model": "yoochoose", "log": "results/yoochoose/raw"}},
            "monitor": {
                "later": {
                    "model": "yoochoose",
                    "log": "results/yoochoose/raw",
                    "scores": ["results/predict/today/scores.parquet"],
                }
            },
        },
        {"Scoring the log today", "Watching a model with the log later"} | PAGE,
    ),
    "a sample; prediction at the first cart (there is no oracle then)": (
        {
            "datasets": {
                "yoochoose": {"sessions": {"sample": 0.5}},
                "retailrocket": {"sessions": {"until": "first_cart"}},
            }
        },
        from_sessions(YOOCHOOSE) | from_sessions(("retailrocket",), oracle=False),
    ),
    "fields that models see": (
        {"datasets": {"yoochoose": {"windows": {"fields": ["item"]}}}},
        from_windows(YOOCHOOSE),
    ),
    "size of the simulation": (
        {"datasets": {"yoochoose": {"simulate": {"sessions": 3100}}}},
        {"Simulating the raw log of yoochoose"} | from_events(YOOCHOOSE),
    ),
    "two settings swap their values": (
        {"models": {"gru": {"width": 8, "embedding_width": 16}}},
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "temperatures": (
        {"alice": {"temperatures": [0.3]}},
        {"Sampling text with deck", "Sampling text with char_gru"} | PAGE,
    ),
    "threads, memory, master, checkpoints, storage": (
        {
            "storage": "s3://bucket/shops",
            "training": {"checkpoint_minutes": 7.0},
            "spark": {
                "threads": 2,
                "memory_mb": 2500,
                "master": "local",
                "conf": {"spark.ui.showConsoleProgress": "false"},
            },
        },
        set(),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_changed_setting_reruns_the_jobs_that_depend_on_it(copy: Copy, row: str) -> None:
    config, expected = ROWS[row]
    # The page shows all settings that can change a result, so it is always written again.
    assert copy.jobs(config) == expected


CODE: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "a page template": ("src/rabbithole/report/templates/page.html.j2", lambda text: text + "<!-- -->", PAGE),
    "a plot": ("src/rabbithole/report/figures/roc.py", with_constant, drawn(figures=("roc",))),
    "the evaluation": (
        "src/rabbithole/evaluation/evaluate.py",
        with_constant,
        evaluated() | drawn(figures=METRIC_FIGURES),
    ),
    "the field importance": (
        "src/rabbithole/evaluation/explain.py",
        with_constant,
        {f"Explaining {model} on {shop}, seed 0" for model in MODELS for shop in SHOPS}
        | drawn(figures=EXPLAINED),
    ),
    "the GRU": (
        "src/rabbithole/models/gru.py",
        with_constant,
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "the sessioniser": ("src/rabbithole/sessions/build.py", with_constant, from_sessions()),
    "the simulator": (
        "src/rabbithole/simulator/write.py",
        with_constant,
        {f"Simulating the raw log of {shop}" for shop in SHOPS} | from_events(),
    ),
    "a docstring and a comment": (
        "src/rabbithole/models/gru.py",
        lambda text: text.replace('"""', '"""Also: ', 1) + "\n# A comment.\n\n",
        set(),
    ),
    "a settings description": (
        "src/rabbithole/config/datasets.py",
        lambda text: text.replace('description="', 'description="Also: '),
        set(),
    ),
    "the version of matplotlib": (
        "requirements/core.in",
        lambda text: re.sub(r"matplotlib==\S+", "matplotlib==9.9.9", text),
        drawn() | {"Drawing the learning curves of Alice"},
    ),
}


@pytest.mark.parametrize("row", CODE)
def test_changed_code_reruns_the_jobs_that_run_it(copy: Copy, row: str) -> None:
    file, change, expected = CODE[row]
    copy.edit(file, change)
    assert copy.jobs() == expected
