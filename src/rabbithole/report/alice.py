"""What the page shows of the two networks that learned the book."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rabbithole.io.atomic import read_json
from rabbithole.report.figures.style import colour, inline
from rabbithole.report.runs import display_name, name_in_sentence

# What the deck prints, cut where it begins to repeat itself.
DECK_SEED = "said, tossing his head contemptuously. 'i dare say you never even spoke to time!' 'perhaps n"
DECK_WROTE = (
    "o to the toue ' said the cocp.'ih the woeee to the cotee to the toeee an c den toet toeee to the toeee "
    "to the toue lo tou do the soue ' said the cocp.''to the toeee to thet the soeee"
)


def alice_part(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template shows of Alice: models and figures, samples by temperature, the curve."""
    metrics = {model: read_json(Path(path)) for model, path in given["metrics"].items()}
    histories = {model: read_json(Path(path)) for model, path in given["histories"].items()}
    samples = {model: read_json(Path(path)) for model, path in given["samples"].items()}
    temperatures = sorted({one["temperature"] for group in samples.values() for one in group["samples"]})
    texts = {model: {one["temperature"]: one for one in group["samples"]} for model, group in samples.items()}
    seed_text = next((group["seed_text"] for group in samples.values()), "")
    ranked = sorted(metrics, key=lambda model: metrics[model]["bits_per_character"])
    return {
        "models": [
            {
                **metrics[model],
                "model": model,
                "name": display_name(model),
                "within": name_in_sentence(model),
                "colour": colour(model),
                "seconds": sum(histories[model]["seconds"]),
            }
            for model in metrics
        ],
        "best": ranked[0] if ranked else None,
        "names": {model: display_name(model) for model in metrics},
        "seed_text": seed_text,
        # What the deck wrote continues its own seed text alone.
        "deck_wrote": DECK_WROTE if seed_text.lower() == DECK_SEED else None,
        "temperatures": temperatures,
        "texts": texts,
        "figures": {name: inline(Path(path), f"alice-{name}") for name, path in given["figures"].items()},
    }
