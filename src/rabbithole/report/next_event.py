"""The section on a data set whose target is the next event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.data import WindowsManifest
from rabbithole.artifacts.evaluation import ClassMetrics, NextEventMetrics, QuestionMetrics, StepAccuracy
from rabbithole.artifacts.training import History
from rabbithole.report.contents import Entry
from rabbithole.report.headline import mean, standard_deviation
from rabbithole.report.runs import ORACLE, ModelRow, by_model, name_in_sentence
from rabbithole.report.verdict import check_warnings
from rabbithole.report.wording import metric, share
from rabbithole.specs.report import NextEventSources

MARKOV, MOST_FREQUENT = "markov", "most_frequent"
NO_NETWORK = (MARKOV, MOST_FREQUENT, ORACLE)

Question = Literal["event", "category"]
QUESTIONS: tuple[Question, ...] = ("event", "category")


@dataclass(frozen=True)
class QuestionMeans:
    """Metrics of a model on one question, averaged over seeds.

    low, high: ends of the cross-entropy's 95 % interval, None for a single session; spread: standard
    deviation of the cross-entropy over seeds, None for one seed; valid: cross-entropy on valid, None without
    a prediction. Of the first seed: predictions, classes, and the accuracy by events seen.
    """

    cross_entropy: float
    low: float | None
    high: float | None
    spread: float | None
    top_1: float
    macro_f1: float
    valid: float | None
    predictions: int
    classes: list[ClassMetrics]
    by_steps: list[StepAccuracy]


@dataclass(frozen=True)
class NextEventRow(ModelRow):
    """A model on a data set; category: None if there is no such question; seconds: of training per seed."""

    seeds: int
    event: QuestionMeans
    category: QuestionMeans | None
    seconds: float | None

    def means(self, question: Question) -> QuestionMeans | None:
        """Return the metrics on one question."""
        return self.event if question == "event" else self.category


@dataclass(frozen=True)
class StepsRow:
    """Predictions of the next event after `steps` events, and the accuracy of each model."""

    steps: int
    predictions: int
    cells: list[StepAccuracy]


@dataclass(frozen=True)
class NextEventSection:
    """What the page shows of a data set.

    best_event, best_category: rows of the best networks; no_category: why the next category is not predicted;
    event_predictions, category_predictions: on test, in `sessions`; classes: by title of their table.
    """

    name: str
    simulated: bool
    rows: list[NextEventRow]
    best_event: NextEventRow | None
    best_category: NextEventRow | None
    no_category: str | None
    sentences: list[str]
    warnings: list[str]
    event_predictions: int
    category_predictions: int
    sessions: int
    classes: dict[str, list[ClassMetrics]]
    by_steps: list[StepsRow]
    checks: list[LeakCheck]

    @property
    def entry(self) -> Entry:
        """Return the section's line of the contents."""
        return Entry(f"data-{self.name}", f"{self.name}: what comes next?")


def next_event_section(name: str, sources: NextEventSources) -> NextEventSection:
    """Read the files of a data set and return its section."""
    metrics = {run: NextEventMetrics.read(Path(path)) for run, path in sources.metrics.items()}
    seconds = {run: sum(History.read(Path(path)).seconds) for run, path in sources.histories.items()}
    rows = [
        _row(model, [metrics[run] for run in runs], mean([seconds.get(run) for run in runs]))
        for model, runs in by_model(metrics).items()
    ]
    checks = LeakChecks.read(Path(sources.checks)).checks
    best_event = best(rows, "event")
    shown = best_event or rows[0]
    return NextEventSection(
        name=name,
        simulated=sources.simulated,
        rows=rows,
        best_event=best_event,
        best_category=best(rows, "category"),
        no_category=next(iter(metrics.values())).reason,
        sentences=[text for question in QUESTIONS if (text := result_sentences(name, rows, question))],
        warnings=check_warnings(checks) + oracle_warnings(rows),
        event_predictions=shown.event.predictions,
        category_predictions=shown.category.predictions if shown.category else 0,
        sessions=WindowsManifest.read(Path(sources.windows)).splits["test"].rows,
        classes={
            f"{shown.name}: metrics by {kind}": means.classes
            for kind, means in (("next event", shown.event), ("category", shown.category))
            if means
        },
        by_steps=steps_rows(rows),
        checks=checks,
    )


def _row(model: str, seeds: list[NextEventMetrics], seconds: float | None) -> NextEventRow:
    categories = [seed.category for seed in seeds if seed.category]
    valid = [seed.valid for seed in seeds if seed.valid]
    return NextEventRow(
        model=model,
        seeds=len(seeds),
        event=_means([seed.event for seed in seeds], [figures.event for figures in valid]),
        category=_means(categories, [figures.category for figures in valid]) if categories else None,
        seconds=seconds,
    )


def _means(seeds: list[QuestionMetrics], valid: list[float | None]) -> QuestionMeans:
    cross_entropies = [seed.cross_entropy.value for seed in seeds]
    first = seeds[0]
    return QuestionMeans(
        cross_entropy=float(np.mean(cross_entropies)),
        low=mean([seed.cross_entropy.low for seed in seeds]),
        high=mean([seed.cross_entropy.high for seed in seeds]),
        spread=standard_deviation(cross_entropies),
        top_1=float(np.mean([seed.top_1 for seed in seeds])),
        macro_f1=float(np.mean([seed.macro_f1 for seed in seeds])),
        valid=mean(valid),
        predictions=first.predictions,
        classes=first.classes,
        by_steps=first.by_steps,
    )


def best(rows: list[NextEventRow], question: Question) -> NextEventRow | None:
    """Return the network with the lowest cross-entropy on valid, None if there is no network.

    A choice on test would favour the luckiest network, so test decides only where valid has no prediction.
    """
    networks = [
        (means.valid or 0.0, means.cross_entropy, index)
        for index, row in enumerate(rows)
        if row.model not in NO_NETWORK and (means := row.means(question))
    ]
    return rows[min(networks)[2]] if networks else None


def result_sentences(name: str, rows: list[NextEventRow], question: Question) -> str | None:
    """Return a few sentences on the best network at one question, None without network or Markov chain."""
    means = {row.model: values for row in rows if (values := row.means(question))}
    top = best(rows, question)
    if top is None or MARKOV not in means:
        return None
    network, markov = means[top.model], means[MARKOV]
    model = name_in_sentence(top.model)
    subject = {
        "event": f"On {name}, the best network for the next event is {model}. It",
        "category": f"For the category of the next event, the best network is {model}. It",
    }[question]
    text = (
        f"{subject} is right {share(network.top_1)} of the time; a first-order Markov chain is right "
        f"{share(markov.top_1)} of the time. The cross-entropy of the network is "
        f"{metric(network.cross_entropy)} nats, that of the chain {metric(markov.cross_entropy)}"
    )
    if MOST_FREQUENT in means:
        text += f", and that of the class frequencies {metric(means[MOST_FREQUENT].cross_entropy)}"
    text += "."
    if ORACLE in means:
        text += f" The lowest possible cross-entropy is {metric(means[ORACLE].cross_entropy)}."
    baseline = min(means[model].cross_entropy for model in (MARKOV, MOST_FREQUENT) if model in means)
    if network.cross_entropy >= baseline:
        return text + " The network does not beat the best baseline, which only counts events of train."
    if ORACLE in means and means[ORACLE].cross_entropy < baseline:
        gained = (baseline - network.cross_entropy) / (baseline - means[ORACLE].cross_entropy)
        text += f" The network achieves {share(min(gained, 1))} of the possible gain over the baselines."
    return text


def oracle_warnings(rows: list[NextEventRow]) -> list[str]:
    """Return a warning for each model that beats the oracle by more than the width of its interval."""
    oracle = next((row for row in rows if row.is_oracle), None)
    texts = []
    for question in QUESTIONS:
        possible = oracle.means(question) if oracle else None
        for row in rows:
            means = row.means(question)
            if means and possible and means.cross_entropy < (possible.low or 0):
                texts.append(
                    f"{row.name} predicts the next {question} better than possible: the answer leaks into "
                    "its input, or the oracle is wrong."
                )
    return texts


def steps_rows(rows: list[NextEventRow]) -> list[StepsRow]:
    """Return a row per number of events seen."""
    accuracies = [{step.steps: step for step in row.event.by_steps} for row in rows]
    return [
        StepsRow(step.steps, step.predictions, [by_steps[step.steps] for by_steps in accuracies])
        for step in rows[0].event.by_steps
    ]
