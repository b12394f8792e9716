"""The last lines that a run prints: headline figures and where the report lies."""

from pathlib import Path
from typing import Any

from rabbithole.report.wording import NONE, area, share


def summary_lines(
    datasets: list[dict[str, Any]],
    next_events: list[dict[str, Any]],
    alice: dict[str, Any] | None,
    report: Path,
) -> list[str]:
    """Return the headline figures as lines of plain text, at most 100 wide, the report's path last.

    `datasets`, `next_events` and `alice` are the parts that the page shows.
    """
    width = max((len(row.name) for part in datasets for row in part["rows"]), default=0)
    lines = []
    for part in datasets:
        if part["rows"]:
            first = part["rows"][0]
            lines.append(f"{part['name']}: {first.buyers:,} buyers in {first.sessions:,} test sessions")
        for row in part["rows"]:
            if row.auc is None:
                lines.append(f"  {row.name:<{width}}  AUC {NONE} ({row.reason})")
                continue
            seeds = f", {row.seeds} seeds" if row.seeds > 1 else ""
            lines.append(
                f"  {row.name:<{width}}  AUC {area(row.auc)} [{area(row.low)}, {area(row.high)}]  "
                f"average precision {area(row.average_precision)}  "
                f"top 5 % reach {share(row.reached)} of buyers{seeds}"
            )
        if part["no_oracle"]:
            lines.append(f"  {part['no_oracle']}")
    for part in next_events:
        width = max(len(row["name"]) for row in part["rows"])
        lines.append(f"{part['name']}: what comes next, asked {part['predictions']['event']:,} times")
        lines += [
            f"  {row['name']:<{width}}  cross-entropy {area(row['event']['value'])}  "
            f"right {share(row['event']['top_1'])}"
            + (f"  category {area(row['category']['value'])}" if row["category"] else "")
            for row in part["rows"]
        ]
    for model in (alice or {"models": []})["models"]:
        lines.append(
            f"alice: {model['name']}: {model['bits_per_character']:.3f} bits per character, held out"
        )
    return [*lines, f"The report: {report}"]
