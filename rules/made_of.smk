"""What comparisons, figures and the page are made of, depending on the settings."""

import os


def aiming_at(target):
    """Return the data sets of a target."""
    return [name for name in DATASETS if SETTINGS.datasets[name].target == target]


def scored(dataset):
    """Return the runs whose scores are judged on a data set: (name in the report, folder below it)."""
    runs = [
        (f"{model} seed {seed}", f"{model}/seed-{seed}")
        for model in MODELS
        for seed in SEEDS
    ]
    if len(SEEDS) > 1:
        runs += [(f"{model} ensemble", f"{model}/ensemble") for model in MODELS]
    return runs + (
        [("oracle", "oracle")] if SETTINGS.datasets[dataset].has_oracle else []
    )


def named_scores(wildcards):
    """Return the scores of every run of a data set as JSON, by the run's name."""
    folder = results(wildcards.dataset)
    return as_text(
        {
            name: f"{folder}/{run}/scores.parquet"
            for name, run in scored(wildcards.dataset)
        }
    )


def scores_of_all(wildcards):
    """Return the scores of every run of a data set."""
    return list(json.loads(named_scores(wildcards)).values())


def scores_of_seeds(wildcards):
    """Return the scores of every seed of one model."""
    folder = results(f"{wildcards.dataset}/{wildcards.model}")
    return [f"{folder}/seed-{seed}/scores.parquet" for seed in SEEDS]


def checkpoints_of_seeds(wildcards):
    """Return the checkpoint of one seed of a model, or those of an ensemble of all."""
    folder = results(f"{wildcards.dataset}/{wildcards.model}")
    every = [f"seed-{seed}" for seed in SEEDS]
    seeds = every if wildcards.seeds == "ensemble" else [wildcards.seeds]
    return [f"{folder}/{seed}/checkpoint" for seed in seeds]


def named_files(dataset, name, runs):
    """Return a file of each run of a data set by the run's name."""
    return {run: results(f"{dataset}/{folder}/{name}") for run, folder in runs}


def figure_sources(wildcards):
    """Return what a figure is drawn from, as JSON: argument -> file, or argument -> name -> file."""
    dataset = wildcards.dataset
    if wildcards.figure == "lengths":
        return as_text({"sessions": results(f"{dataset}/sessions")})
    if wildcards.figure == "learning":
        return as_text(
            {"histories": named_files(dataset, "history.json", trained(dataset))}
        )
    if wildcards.figure == "importance":
        return as_text({"explanations": explanations(dataset)})
    if wildcards.figure == "journeys":
        oracle = {"oracle": results(f"{dataset}/oracle/scores.parquet")}
        known = oracle if SETTINGS.datasets[dataset].has_oracle else {}
        return as_text({"explanations": explanations(dataset)} | known)
    return as_text({"metrics": named_files(dataset, "metrics.json", scored(dataset))})


def figure_inputs(wildcards):
    """Return the files that a figure is drawn from."""
    files = []
    for source in json.loads(figure_sources(wildcards)).values():
        files += source.values() if isinstance(source, dict) else [source]
    return files


def figure_code(wildcards):
    """Return the digest of one figure's code."""
    return code(f"rabbithole.report.{wildcards.figure}")


def text_model_files(name):
    """Return a file of each text model by the model's name."""
    return {model: results(f"alice/{model}/{name}") for model in TEXT_MODELS}


def alice_histories():
    """Return the text models' histories, as `figure_sources` does."""
    return as_text({"histories": text_model_files("history.json")})


def trained(dataset):
    """Return the runs that were trained: neither the oracle nor ensembles of others."""
    return [run for run in scored(dataset) if "seed-" in run[1]]


def explanations(dataset):
    """Return the explanation of each model by the name of its run: with several seeds of the first alone."""
    runs = [run for run in trained(dataset) if run[0].endswith(f" seed {SEEDS[0]}")]
    return named_files(dataset, "explanation.json", runs)


def foretold(dataset):
    """Return who foretells the next events of a data set: (name in the report, folder below it)."""
    runs = [
        (f"{model} seed {seed}", f"{model}/seed-{seed}")
        for model in NETWORKS
        for seed in SEEDS
    ]
    if len(SEEDS) > 1:
        runs += [(f"{model} ensemble", f"{model}/ensemble") for model in NETWORKS]
    runs += [("most_frequent", "most_frequent"), ("markov", "markov")]
    return runs + (
        [("oracle", "oracle")] if SETTINGS.datasets[dataset].has_oracle else []
    )


def next_event_sources(dataset):
    """Return where the page finds what it says of the next events of a data set."""
    networks = [run for run in foretold(dataset) if "seed-" in run[1]]
    return {
        "simulated": SETTINGS.datasets[dataset].source == "simulate",
        "windows": results(f"{dataset}/windows.json"),
        "metrics": named_files(dataset, "next_event.json", foretold(dataset)),
        "histories": named_files(dataset, "history.json", networks),
        "checks": results(f"{dataset}/checks.json"),
    }


def dataset_sources(dataset):
    """Return where the page finds what it says of a data set."""
    manifests = {
        stage: results(f"{dataset}/{stage}.json")
        for stage in ("events", "sessions", "windows")
    }
    return manifests | {
        "simulated": SETTINGS.datasets[dataset].source == "simulate",
        "metrics": named_files(dataset, "metrics.json", scored(dataset)),
        "histories": named_files(dataset, "history.json", trained(dataset)),
        "explanations": explanations(dataset),
        "comparison": results(f"{dataset}/comparison.json"),
        "checks": results(f"{dataset}/checks.json"),
        "published": SETTINGS.datasets[dataset].published_figure,
        "figures": {
            name: results(f"report/figures/{dataset}-{name}.svg") for name in FIGURES
        },
    }


def limit_sources():
    """Return what the table of the limit is made of, as JSON."""
    return as_text(
        {
            dataset: {
                "windows": results(f"{dataset}/windows.json"),
                "comparison": results(f"{dataset}/comparison.json"),
                "metrics": named_files(dataset, "metrics.json", scored(dataset)),
            }
            for dataset in aiming_at("buyer")
        }
    )


def limit_inputs(wildcards):
    """Return every file that the table of the limit is made of."""
    return [
        path
        for files in json.loads(limit_sources()).values()
        for part in files.values()
        for path in (part.values() if isinstance(part, dict) else [part])
    ]


def oracle_of_trial(wildcards):
    """Return the oracle's scores, where there is an oracle."""
    there = SETTINGS.datasets[wildcards.dataset].has_oracle
    return [results(f"{wildcards.dataset}/oracle/scores.parquet")] if there else []


def oracle_argument(wildcards, input):
    """Return the oracle's scores as an argument, where there is an oracle."""
    return ["--oracle", *input.oracle] if input.oracle else []


def trials():
    """Return the trials of every network on every data set, as JSON."""
    return as_text(
        {
            dataset: {
                network: results(f"{dataset}/{network}/trials.json")
                for network in NETWORKS
            }
            for dataset in aiming_at("buyer")
        }
    )


def page_sources():
    """Return what the page is made of, as JSON; settings that change no result are left out."""
    return as_text(
        {
            "title": SETTINGS.report.title,
            "datasets": {
                dataset: dataset_sources(dataset) for dataset in aiming_at("buyer")
            },
            "next_events": {
                dataset: next_event_sources(dataset)
                for dataset in aiming_at("next_event")
            },
            "alice": {
                "metrics": text_model_files("metrics.json"),
                "histories": text_model_files("history.json"),
                "samples": text_model_files("samples.json"),
                "figures": {
                    "alice_learning": results("report/figures/alice_learning.svg")
                },
            },
            "settings": SETTINGS.model_dump(
                exclude={"spark": True, "training": {"checkpoint_minutes"}}
            ),
        }
    )


def page_inputs(wildcards):
    """Return every file that the page is made of."""
    waiting = [json.loads(page_sources())]
    files = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [below for key, below in value.items() if key != "settings"]
        elif isinstance(value, str) and Path(value).suffix in (".json", ".svg"):
            files.append(value)
    return sorted(files)


def page_code():
    """Return the digest of the page's code and templates."""
    package = SOURCE / "rabbithole"
    templates = tuple(
        str(path.relative_to(package)) for path in package.glob("report/templates/*")
    )
    return code("rabbithole.report.page", files=templates)


def show_summary():
    """Print the headline figures and where the report lies; `make run` does so itself, as its last lines."""
    summary = Path(results("report/summary.txt"))
    if summary.exists() and "RABBITHOLE_MAKE" not in os.environ:
        print(summary.read_text("utf-8"))
