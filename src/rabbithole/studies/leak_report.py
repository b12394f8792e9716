"""Writes the leak probes of all data sets as Markdown."""

from pathlib import Path

from rabbithole.artifacts.studies import LeakProbes
from rabbithole.io.atomic import atomic_write


def leak_tables(*, probes: dict[str, Path], output: Path) -> None:
    """Write the findings and a table of probes for each data set; probes: leak_probes.json by data set."""
    lines = ["# Leak probes", ""]
    for dataset, path in probes.items():
        study = LeakProbes.read(path)
        lines += [f"## {dataset}", ""]
        lines += [f"- **{sentence}**" for sentence in study.findings] or ["Nothing suspicious."]
        lines += ["", "| the network sees | AUC | 99 % interval | test sessions |", "|---|--:|--:|--:|"]
        lines += [
            f"| {probe.name} | {probe.auc:.3f} | {probe.low:.3f} to {probe.high:.3f} | {probe.sessions:,} |"
            for probe in study.probes
        ]
        lines.append("")
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")
