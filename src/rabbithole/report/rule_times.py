"""Running times of the rules, from Snakemake's benchmark files."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RuleTime:
    """The jobs of one rule: seconds in total and of the longest job; memory: peak in MB, None if unknown."""

    rule: str
    jobs: int
    seconds: float
    longest: float
    memory: float | None


def rule_times(benchmarks: Path) -> list[RuleTime]:
    """Return the times of all rules, the slowest rule first.

    `benchmarks` holds `{rule}.tsv` or `{rule}/...tsv`. A folder that does not exist gives no rows.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        files.setdefault(rule, []).append(path)
    times = [_rule_time(rule, paths) for rule, paths in files.items()]
    return sorted(times, key=lambda time: (-time.seconds, time.rule))


def _rule_time(rule: str, paths: list[Path]) -> RuleTime:
    jobs: list[dict[str, str]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            jobs += csv.DictReader(file, delimiter="\t")
    seconds = [_number(job.get("s")) or 0.0 for job in jobs]
    memory = [number for job in jobs if (number := _number(job.get("max_rss"))) is not None]
    return RuleTime(rule, len(jobs), sum(seconds), max(seconds, default=0.0), max(memory, default=None))


def _number(text: str | None) -> float | None:
    """Return a number of a benchmark file; Snakemake writes NA or - for what it could not measure."""
    try:
        return float(text or "")
    except ValueError:
        return None
