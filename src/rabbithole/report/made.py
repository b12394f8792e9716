"""How long each rule took, as Snakemake's benchmark files say."""

import csv
from pathlib import Path
from typing import Any


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
