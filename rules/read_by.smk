"""What each step reads of the settings, and the digest of its code."""


def simulate_settings(wildcards):
    """Return what `simulate` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    return as_text(
        {
            "format": dataset.format,
            "sessions": dataset.simulate.sessions,
            "seed": SETTINGS.seed,
        }
    )


def events_settings(wildcards):
    """Return what `events` reads, the place of the raw log included."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    source = (
        results(f"{wildcards.dataset}/raw") if simulated(wildcards) else dataset.source
    )
    keys = dataset.model_dump(include={"format", "max_rejected", "drop_duplicates"})
    return as_text(keys | {"source": source})


def sessions_settings(wildcards):
    """Return what `sessions` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    keys = dataset.sessions.model_dump(exclude={"keep_open"})
    hashed = dataset.split.by == "hash" or dataset.sessions.sample < 1
    seed = SETTINGS.seed if hashed else 0
    return as_text(keys | {"split": dataset.split.model_dump(), "seed": seed})


def windows_settings(wildcards):
    """Return what `windows` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    keys = dataset.windows.model_dump()
    return as_text(
        keys | {"timezone": dataset.timezone, "keep_open": dataset.sessions.keep_open}
    )


def judged_steps(dataset):
    """Return after how many events running sessions are judged: none beyond what a window holds."""
    return [k for k in SETTINGS.evaluation.steps if k <= dataset.windows.length]


def score_settings(wildcards):
    """Return what `score` reads."""
    return as_text({"steps": judged_steps(SETTINGS.datasets[wildcards.dataset])})


def oracle_settings(wildcards):
    """Return what `oracle` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    return as_text(
        {
            "window": dataset.windows.length,
            "steps": judged_steps(dataset),
            "keep_open": dataset.sessions.keep_open,
        }
    )


def train_settings(wildcards):
    """Return what `train` reads; only a network reads how networks are trained."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    model = SETTINGS.models[wildcards.model]
    training = SETTINGS.training.model_dump(exclude={"checkpoint_minutes"})
    return as_text(
        {
            "model": wildcards.model,
            "settings": model.model_dump(exclude={"kind"}),
            "training": (
                training
                if model.kind == "network"
                else {"unseen_share": training["unseen_share"]}
            ),
            "balance": dataset.balance,
            "augmentation": dataset.augmentation.model_dump(),
            "target": dataset.target,
            "seed": int(wildcards.seed),
        }
    )


def evaluate_settings():
    """Return what `evaluate` reads."""
    return as_text(SETTINGS.evaluation.model_dump(exclude={"steps"}))


def probe_settings(wildcards):
    """Return what `probe` reads: a GRU of the default size, whatever models are configured."""
    network = Network(kind="network").model_dump(exclude={"kind"})
    training = Training(epochs=2).model_dump(exclude={"checkpoint_minutes"})
    return as_text(
        {
            "model": "gru",
            "settings": network,
            "training": training,
            "sessions": 100_000,
            "seed": SETTINGS.seed,
        }
    )


def trial_settings(wildcards):
    """Return what `trial` reads."""
    network = SETTINGS.models[wildcards.model].model_dump(exclude={"kind"})
    return as_text(
        {
            "model": wildcards.model,
            "settings": network,
            "training": SETTINGS.training.model_dump(exclude={"checkpoint_minutes"}),
            "seeds": SEEDS,
            "steps": judged_steps(SETTINGS.datasets[wildcards.dataset]),
        }
    )


def trial_code(wildcards):
    """Return the digest of the trials and of one network."""
    return code("rabbithole.studies.ablation", f"rabbithole.models.{wildcards.model}")


def resume_options(wildcards, resources):
    """Return where and how often a training keeps its state, which changes no result.

    A function of resources, so Snakemake does not track it.
    """
    return _resume(f"{wildcards.dataset}/{wildcards.model}")


def text_resume_options(wildcards, resources):
    """Return the same of a text network."""
    return _resume(f"alice/{wildcards.text_model}")


def _resume(model):
    folder = results(f"{model}/resume")
    return as_text({"folder": folder, "minutes": SETTINGS.training.checkpoint_minutes})


def model_code(wildcards):
    """Return the digest of the training loop, of the target and of one model, which are imported by name."""
    target = SETTINGS.datasets[wildcards.dataset].target
    return code(
        "rabbithole.training.train",
        f"rabbithole.training.{target}",
        f"rabbithole.models.{wildcards.model}",
    )


def scoring_code(wildcards):
    """Return the digest of scoring with one model."""
    return code("rabbithole.training.score", f"rabbithole.models.{wildcards.model}")


def explaining_code(wildcards):
    """Return the digest of explaining one model."""
    return code("rabbithole.evaluation.explain", f"rabbithole.models.{wildcards.model}")


def next_event_code(wildcards):
    """Return the digest of judging one network's next events."""
    return code(
        "rabbithole.evaluation.next_event_networks", f"rabbithole.models.{wildcards.model}"
    )


def text_settings(wildcards):
    """Return what `train-text` reads."""
    model = getattr(SETTINGS.alice.models, wildcards.text_model).model_dump()
    return as_text(
        {
            "model": wildcards.text_model,
            "settings": model,
            "lower": SETTINGS.alice.lower_case,
            "seed": SETTINGS.seed,
        }
    )
