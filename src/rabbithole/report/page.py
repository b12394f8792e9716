"""How long each rule took, as Snakemake's benchmark files say."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rabbithole.io.atomic import atomic_write, read_json
from rabbithole.report import alice as book
from rabbithole.report.card import card
from rabbithole.report.explained import explained
from rabbithole.report.figures.style import colour, inline
from rabbithole.report.headline import Row, best, rows, summary_lines
from rabbithole.report.next_event import next_event_part
from rabbithole.report.runs import by_model, run_name
from rabbithole.report.verdict import tests_in_words, verdict, warnings
from rabbithole.report.wording import FILTERS


def rule_times(benchmarks: Path | None) -> list[dict[str, Any]]:
    """Return per rule its jobs, seconds in all and of the longest job, and peak memory in MB, slowest first.

    `benchmarks` holds `{rule}.tsv` or `{rule}/...tsv`; None or a folder that isn't there gives no rows.
    """
    rules: dict[str, dict[str, Any]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")) if benchmarks else []:
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv") if benchmarks else ""
        facts = rules.setdefault(
            rule, {"rule": rule, "jobs": 0, "seconds": 0.0, "longest": 0.0, "memory": None}
        )
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                seconds = _number(line.get("s")) or 0.0
                memory = _number(line.get("max_rss"))
                facts["jobs"] += 1
                facts["seconds"] += seconds
                facts["longest"] = max(facts["longest"], seconds)
                facts["memory"] = (
                    max(facts["memory"] or 0.0, memory) if memory is not None else facts["memory"]
                )
    return sorted(rules.values(), key=lambda facts: (-facts["seconds"], facts["rule"]))


def _number(text: str | None) -> float | None:
    """Return a number of a benchmark file; Snakemake writes NA or - for what it could not see."""
    try:
        return float(text or "")
    except ValueError:
        return None


NO_ORACLE_REAL = "no oracle: nobody knows what real shoppers had in mind"
NO_ORACLE_SIMULATED = "no oracle: these sessions or events are not as simulated"


def page(
    *,
    title: str,
    datasets: dict[str, dict[str, Any]],
    alice: dict[str, Any] | None,
    made: dict[str, Any],
    output: Path,
    summary: Path,
    next_events: dict[str, dict[str, Any]] | None = None,
) -> None:
    """Write the report, one self-contained HTML file, and its headline figures as text at `summary`.

    `datasets`, by name, in the order of the page:
      simulated: bool
      events, sessions, windows: paths of the three manifests
      metrics, histories: score name ("gru seed 0", "oracle") to path of its metrics.json, history.json
      explanations: score name to path of explanation.json, of one seed a model
      comparison: path of comparison.json, or None
      checks: path of checks.json
      published: a published figure under the same protocol, or None
      figures: figure name ("roc", "lengths", ...) to path of its SVG
      no_oracle: why there is no oracle, or None for the usual reason
    `next_events`: data sets of the other target, by name, as `next_event_part` takes them.
    `alice`: metrics, histories and samples, each model ("deck", "char_gru") to path; figures (name to path);
      None leaves the section out.
    `made`: settings (text), versions (library to version), benchmarks (Snakemake's folder, or None).
    Paths may be text. The same inputs give the same bytes; no time of day is written.
    """
    environment = Environment(
        loader=PackageLoader("rabbithole.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(FILTERS)
    parts = [dataset_part(name, given) for name, given in datasets.items()]
    next_parts = [next_event_part(name, given) for name, given in (next_events or {}).items()]
    text_part = book.alice_part(alice) if alice else None
    text = environment.get_template("page.html.j2").render(
        title=title,
        datasets=parts,
        next_events=next_parts,
        alice=text_part,
        made={
            "settings": made["settings"],
            "versions": made["versions"],
            "rules": rule_times(_path(made.get("benchmarks"))),
        },
        axis=auc_axis([row for part in parts for row in part["rows"]]),
    )
    with atomic_write(output) as temporary:
        temporary.write_text(text, "utf-8")
    with atomic_write(summary) as temporary:
        temporary.write_text("\n".join(summary_lines(parts, next_parts, text_part, output)) + "\n", "utf-8")


def dataset_part(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template shows of one data set."""
    metrics = {score: read_json(Path(path)) for score, path in given["metrics"].items()}
    histories = {score: read_json(Path(path)) for score, path in given["histories"].items()}
    comparison = read_json(Path(given["comparison"])) if given.get("comparison") else None
    manifests = {stage: read_json(Path(given[stage])) for stage in ("events", "sessions", "windows")}
    found = rows(metrics, histories, comparison)
    simulated = bool(given["simulated"])
    no_oracle = None
    if not any(row.is_oracle for row in found):
        no_oracle = given.get("no_oracle") or (NO_ORACLE_SIMULATED if simulated else NO_ORACLE_REAL)
    facts = card(**manifests)
    checks = read_json(Path(given["checks"]))["checks"]
    leaks = [
        f"A check against leaks fails. {one['name']}: {one['found']}." for one in checks if not one["holds"]
    ]
    return {
        "name": name,
        "anchor": f"data-{name}",
        "simulated": simulated,
        "rows": found,
        "seeds": max((row.seeds for row in found), default=0),
        "best": best(found),
        "no_oracle": no_oracle,
        "verdict": verdict(name, found, simulated=simulated, no_oracle=no_oracle),
        "warnings": leaks + warnings(found, comparison, visitors_on_both_sides=facts.visitors_on_both_sides),
        "checks": checks,
        "published": given.get("published"),
        "explained": explained(
            {score: read_json(Path(path)) for score, path in given["explanations"].items()}
        ),
        "tests": tests_in_words(comparison),
        "by_steps": groups_table(metrics, "by_steps"),
        "by_length": groups_table(metrics, "by_length"),
        "figures": {
            figure: inline(Path(path), f"{name}-{figure}") for figure, path in given["figures"].items()
        },
        "card": facts,
        "colours": {row.model: colour(row.model) for row in found},
    }


def groups_table(metrics: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    """Return what is known by events seen: names as shown, and lines by number of events and score name.

    `key`: "by_steps" (sessions still running after so many) or "by_length" (ended sessions of so many).
    """
    names = [name for group in by_model(list(metrics)).values() for name in group]
    with_seed = len(names) > len(by_model(names))
    lines: dict[int, dict[str, Any]] = {}
    for name in names:
        for row in metrics[name][key]:
            begin = row["steps"] if key == "by_steps" else row["from"]
            line = lines.setdefault(begin, {"sessions": row["sessions"], "buyers": row["buyers"]})
            line["events"] = str(begin) if key == "by_steps" else _span(begin, row["to"])
            line[name] = row
    return {
        "names": {name: run_name(name, with_seed=with_seed) for name in names},
        "lines": dict(sorted(lines.items())),
    }


def _span(begin: int, end: int | None) -> str:
    if end is None:
        return f"{begin} or more"
    return str(begin) if begin == end else f"{begin} to {end}"


def auc_axis(found: list[Row]) -> dict[str, float]:
    """Return the ends of the small AUC scale in the headline table: all intervals fit, at tenths or so."""
    low = min((row.low for row in found if row.low is not None), default=0.5)
    high = max((row.high for row in found if row.high is not None), default=1.0)
    return {"low": max(0.0, int(low * 20) / 20), "high": min(1.0, (int(high * 20) + 1) / 20)}


def _path(value: str | Path | None) -> Path | None:
    return Path(value) if value else None
