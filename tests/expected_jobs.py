"""Names of the jobs that a change runs again in a run of `tests/runs/tiny.yaml`."""

SHOPS = ("yoochoose", "retailrocket")
MODELS = ("gru", "dilated_conv", "gradient_boosting")
NETWORKS = ("gru", "dilated_conv")
METRIC_FIGURES = ("roc", "precision_recall", "reliability", "early", "gain")
EXPLAINED = ("importance", "journeys")
MODEL_FIGURES = (*METRIC_FIGURES, *EXPLAINED, "learning")
FIGURES = (*MODEL_FIGURES, "lengths")
YOOCHOOSE = ("yoochoose",)
PAGE = {"Writing the report"}


def packaged(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs that package the best model, which follow any metrics."""
    return {f"Packaging the best model of {shop}" for shop in shops}


def trained(shops: tuple[str, ...] = SHOPS, models: tuple[str, ...] = MODELS) -> set[str]:
    """Return the jobs from training on, without the page and the figures."""
    jobs = set()
    for shop in shops:
        jobs |= packaged((shop,)) | {f"Comparing the models on {shop}"}
        for model in models:
            jobs |= {f"Training {model} on {shop}, seed 0", f"Scoring {shop} with {model}, seed 0"}
            jobs.add(f"Evaluating {model}/seed-0 on {shop}")
            jobs.add(f"Explaining {model} on {shop}, seed 0")
    return jobs


def evaluated() -> set[str]:
    """Return the jobs that evaluate scores, including those of the oracle."""
    runs = (*(f"{model}/seed-0" for model in MODELS), "oracle")
    return packaged() | {f"Evaluating {run} on {shop}" for shop in SHOPS for run in runs}


def drawn(shops: tuple[str, ...] = SHOPS, figures: tuple[str, ...] = FIGURES) -> set[str]:
    """Return the jobs that draw figures, and the job of the page."""
    return {f"Drawing {figure} of {shop}" for shop in shops for figure in figures} | PAGE


def from_windows(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs from the windows on, without those that read only sessions."""
    encoded = {f"Encoding the windows of {shop}" for shop in shops}
    checked = {f"Checking {shop} for leaks" for shop in shops}
    return encoded | checked | trained(shops) | drawn(shops, MODEL_FIGURES)


def from_sessions(shops: tuple[str, ...] = SHOPS, oracle: bool = True) -> set[str]:
    """Return the jobs from the sessions on."""
    jobs = {f"Building the sessions of {shop}" for shop in shops} | from_windows(shops) | drawn(shops)
    if oracle:
        jobs |= {f"Scoring {shop} with the oracle" for shop in shops}
        jobs |= {f"Evaluating oracle on {shop}" for shop in shops}
    return jobs


def from_events(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs from the events on."""
    return {f"Reading the raw log of {shop}" for shop in shops} | from_sessions(shops)
