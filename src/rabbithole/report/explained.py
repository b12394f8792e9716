"""What the page says of the fields and steps that the models lean on."""

from typing import Any

from rabbithole.report.runs import (
    best_on_valid,
    by_model,
    display_name,
    field_name,
    model_of,
    name_in_sentence,
)
from rabbithole.report.wording import area, listed

LAST = {1: "last", 2: "2nd", 3: "3rd"}


def explained(explanations: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what the template shows of some models' explanation.json, by score name.

    names: as shown, by score name; fields and steps: lines with a cell per score name; best: the model, of
    the best valid AUC, of which the sentences and the pictures of sessions tell; sessions, buyers and
    test_sessions.
    """
    names = [name for group in by_model(list(explanations)).values() for name in group]
    best = best_on_valid(explanations)
    fields: dict[str, dict[str, Any]] = {}
    steps: dict[str, dict[str, Any]] = {}
    for name in names:
        for row in explanations[name]["fields"]:
            fields.setdefault(field_name(row["field"]), {})[name] = row
        for row in explanations[name]["steps"]:
            line = steps.setdefault(_which(row["from"], row["to"]), {})
            line |= {"sessions": row["sessions"], "buyers": row["buyers"], name: row}
    order = sorted(fields, key=lambda field: -fields[field][best]["log_loss_gained"]["value"])
    facts = {key: explanations[best][key] for key in ("sessions", "buyers", "test_sessions")}
    return facts | {
        "names": {name: display_name(model_of(name)) for name in names},
        "fields": {field: fields[field] for field in order},
        "steps": steps,
        "best": name_in_sentence(model_of(best)),
        "sentence": in_words(name_in_sentence(model_of(best)), explanations[best]["fields"]),
        "journeys": len(explanations[best]["journeys"]),
    }


def in_words(model: str, fields: list[dict[str, Any]]) -> str:
    """Return what to say of the fields that matter: those whose interval of the AUC lost lies above 0."""
    judged = [row for row in fields if row["auc_lost"]]
    if not judged:
        return "Too few buyers to tell by the AUC what the models lean on."
    name = model[0].upper() + model[1:]
    telling = sorted(
        (row for row in judged if row["auc_lost"]["low"] > 0), key=lambda row: -row["auc_lost"]["value"]
    )
    if not telling:
        return f"{name} leans on no field so much that it shows."
    parts = [f"{field_name(row['field'])} ({area(row['auc_lost']['value'])})" for row in telling]
    rest = " No other field shows by itself." if len(telling) < len(judged) else ""
    meaning = "so much AUC is lost when the field comes from another session"
    return f"{name} leans on {listed(parts)}: {meaning}.{rest}"


def _which(begin: int | None, end: int | None) -> str:
    """Name steps counted from the end."""
    if begin is None:
        return "first"
    if end is None:
        return f"{begin}th and before"
    return LAST[begin] if begin == end else f"{begin}th to {end}th"
