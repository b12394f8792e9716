"""The section on the text models of Alice's Adventures in Wonderland."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from rabbithole.artifacts.text import TextHistory, TextMetrics, TextSample, TextSamples
from rabbithole.report.runs import ModelRow, display_name
from rabbithole.report.wording import inline_svg
from rabbithole.specs.report import AliceSources

DECK_SEED = "said, tossing his head contemptuously. 'i dare say you never even spoke to time!' 'perhaps n"
"""Seed text of the sample that the deck prints."""

DECK_SAMPLE = (
    "o to the toue ' said the cocp.'ih the woeee to the cotee to the toeee an c den toet toeee to the toeee "
    "to the toue lo tou do the soue ' said the cocp.''to the toeee to thet the soeee"
)
"""The deck's sample, up to where it repeats itself."""

SHOWN_TEMPERATURE = 0.5
"""Temperature whose samples stand side by side, or the nearest one; those of others are folded."""


@dataclass(frozen=True)
class TextModelRow(ModelRow):
    """A text model; seconds: of its training."""

    metrics: TextMetrics
    seconds: float


@dataclass(frozen=True)
class TemperatureSamples:
    """The samples of one temperature, each with the name of its model."""

    temperature: float
    samples: list[tuple[str, TextSample]]


@dataclass(frozen=True)
class AliceSection:
    """What the page shows of the text models.

    best: the model with the fewest bits per held-out character; deck_sample: None unless the models continue
    the deck's seed text; shown: the samples that stand side by side; folded: all others.
    """

    models: list[TextModelRow]
    best: TextModelRow | None
    seed_text: str
    deck_sample: str | None
    shown: TemperatureSamples | None
    folded: list[TemperatureSamples]
    figures: dict[str, Markup]


def alice_section(sources: AliceSources) -> AliceSection:
    """Read the files of the text models and return their section."""
    models = [
        TextModelRow(
            model,
            TextMetrics.read(Path(path)),
            sum(TextHistory.read(Path(sources.histories[model])).seconds),
        )
        for model, path in sources.metrics.items()
    ]
    samples = {model: TextSamples.read(Path(path)) for model, path in sources.samples.items()}
    groups = _by_temperature(samples)
    shown = min(groups, key=lambda group: abs(group.temperature - SHOWN_TEMPERATURE), default=None)
    seed_text = next((sample.seed_text for sample in samples.values()), "")
    return AliceSection(
        models=models,
        best=min(models, key=lambda row: row.metrics.bits_per_character, default=None),
        seed_text=seed_text,
        deck_sample=DECK_SAMPLE if seed_text.lower() == DECK_SEED else None,
        shown=shown,
        folded=[group for group in groups if group is not shown],
        figures={name: inline_svg(Path(path), f"alice-{name}") for name, path in sources.figures.items()},
    )


def _by_temperature(samples: dict[str, TextSamples]) -> list[TemperatureSamples]:
    by_temperature: dict[float, list[tuple[str, TextSample]]] = {}
    for model, texts in samples.items():
        for sample in texts.samples:
            by_temperature.setdefault(sample.temperature, []).append((display_name(model), sample))
    return [
        TemperatureSamples(temperature, by_temperature[temperature]) for temperature in sorted(by_temperature)
    ]
