"""What the page shows of a data set whose next events are foretold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.io.atomic import read_json
from rabbithole.report.figures.style import colour
from rabbithole.report.runs import ORACLE, by_model, display_name, model_of, name_in_sentence
from rabbithole.report.wording import area, share

MARKOV, MOST_FREQUENT = "markov", "most_frequent"
NO_NETWORK = (MARKOV, MOST_FREQUENT, ORACLE)
QUESTIONS = ("event", "category")


def next_event_part(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template shows: a row per model, sentences, classes and figures by events seen.

    given: simulated (bool); windows, checks: paths; metrics: score name to path of next_event.json;
    histories: of the networks, score name to path of history.json.
    """
    metrics = {score: read_json(Path(path)) for score, path in given["metrics"].items()}
    seconds = {score: sum(read_json(Path(path))["seconds"]) for score, path in given["histories"].items()}
    rows = [
        {
            "model": model,
            "name": display_name(model),
            "seeds": len(scores),
            "colour": colour(model),
            "is_oracle": model == ORACLE,
            "valid": {
                question: mean_of([(metrics[one]["valid"] or {}).get(question) for one in scores])
                for question in QUESTIONS
            },
            **{question: averaged([metrics[one][question] for one in scores]) for question in QUESTIONS},
            "seconds": float(np.mean([seconds[one] for one in scores])) if scores[0] in seconds else None,
        }
        for model, scores in by_model(list(metrics)).items()
    ]
    first = metrics[next(iter(metrics))]
    top = best(rows, "event")
    shown_classes = next(score for score in metrics if top is None or model_of(score) == top["model"])
    checks = read_json(Path(given["checks"]))["checks"]
    return {
        "name": name,
        "anchor": f"data-{name}",
        "simulated": bool(given["simulated"]),
        "rows": rows,
        "best": {question: best(rows, question) for question in QUESTIONS},
        "reason": first["reason"],
        "sentences": [text for question in QUESTIONS if (text := in_words(name, rows, question))],
        "predictions": {
            question: first[question]["predictions"] if first[question] else 0 for question in QUESTIONS
        },
        "sessions": read_json(Path(given["windows"]))["splits"]["test"]["rows"],
        "classes": {
            question: metrics[shown_classes][question]["classes"]
            for question in QUESTIONS
            if metrics[shown_classes][question]
        },
        "classes_of": display_name(top["model"]) if top else rows[0]["name"],
        "by_steps": by_steps(rows),
        "checks": checks,
        "warnings": [
            f"A check against leaks fails. {one['name']}: {one['found']}."
            for one in checks
            if not one["holds"]
        ]
        + beyond_oracle(rows),
    }


def averaged(figures: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the means over a model's seeds, None where there are no figures."""
    found = [one for one in figures if one]
    if not found:
        return None

    def mean(*path: str) -> float | None:
        return mean_of([one[path[0]][path[1]] if len(path) > 1 else one[path[0]] for one in found])

    values = [one["cross_entropy"]["value"] for one in found]
    return {
        "value": mean("cross_entropy", "value"),
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "low": mean("cross_entropy", "low"),
        "high": mean("cross_entropy", "high"),
        "top_1": mean("top_1"),
        "macro_f1": mean("macro_f1"),
        "steps": {line["steps"]: line for line in found[0]["by_steps"]},
    }


def mean_of(values: list[float | None]) -> float | None:
    """Return the mean, None where a value is."""
    return None if None in values else float(np.mean(values))  # type: ignore[arg-type]


def best(rows: list[dict[str, Any]], question: str) -> dict[str, Any] | None:
    """Return the network with the lowest cross-entropy on valid, None where there is none.

    Chosen on test, its cross-entropy there would be the luckiest of several.
    """
    networks = [row for row in rows if row["model"] not in NO_NETWORK and row[question]]
    # Where valid asks nothing, it does of none of them.
    return min(
        networks, key=lambda row: (row["valid"][question] or 0.0, row[question]["value"]), default=None
    )


def in_words(name: str, rows: list[dict[str, Any]], question: str) -> str | None:
    """Return what the figures of a question mean, in a few sentences."""
    found = {row["model"]: row[question] for row in rows if row[question]}
    top = best(rows, question)
    if top is None or MARKOV not in found:
        return None
    ours, markov = top[question], found[MARKOV]
    asked = {
        "event": f"On {name} the best network at telling what comes next, {name_in_sentence(top['model'])},",
        "category": f"Asked for the category of the next event, {name_in_sentence(top['model'])}",
    }[question]
    text = (
        f"{asked} is right {share(ours['top_1'])} of the time (a first-order Markov chain: "
        f"{share(markov['top_1'])}). Its cross-entropy is {area(ours['value'])} nats, the chain's "
        f"{area(markov['value'])}"
    )
    if MOST_FREQUENT in found:
        text += f", that of shares alone {area(found[MOST_FREQUENT]['value'])}"
    text += f"; no model could come below {area(found[ORACLE]['value'])}." if ORACLE in found else "."
    counted = min(found[model]["value"] for model in (MARKOV, MOST_FREQUENT) if model in found)
    if ours["value"] >= counted:
        return text + " Counting train does no worse than the network."
    if ORACLE in found and found[ORACLE]["value"] < counted:
        gained = (counted - ours["value"]) / (counted - found[ORACLE]["value"])
        text += f" So it gains {share(min(gained, 1))} of what can be gained over counting."
    return text


def beyond_oracle(rows: list[dict[str, Any]]) -> list[str]:
    """Warn of models that are better than possible, by more than the intervals are wide."""
    oracle = next((row for row in rows if row["is_oracle"]), None)
    if oracle is None:
        return []
    return [
        f"{row['name']} foretells the next {question} better than possible: the answer leaks into its "
        "input, or the oracle is wrong."
        for question in QUESTIONS
        for row in rows
        if row[question] and oracle[question] and row[question]["value"] < (oracle[question]["low"] or 0)
    ]


def by_steps(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a line per number of events seen: the predictions, and each row's figures in order."""
    steps = sorted({step for row in rows for step in row["event"]["steps"]})
    return [
        {
            "steps": step,
            "predictions": rows[0]["event"]["steps"][step]["predictions"],
            "found": [row["event"]["steps"][step] for row in rows],
        }
        for step in steps
    ]
