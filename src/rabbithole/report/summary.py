"""The summary of the report as plain text, for the terminal."""

from pathlib import Path

from rabbithole.report.alice import AliceSection
from rabbithole.report.dataset import DatasetSection
from rabbithole.report.next_event import NextEventSection
from rabbithole.report.wording import NONE, interval, metric, plural, share


def summary_lines(
    datasets: list[DatasetSection],
    next_events: list[NextEventSection],
    alice: AliceSection | None,
    report: Path,
) -> list[str]:
    """Return the main metrics as lines of at most about 100 characters; the last has the report's path."""
    lines = []
    width = max((len(row.name) for section in datasets for row in section.rows), default=0)
    for dataset in datasets:
        buyers, sessions = dataset.rows[0].buyers, dataset.rows[0].sessions
        lines.append(f"{dataset.name}: {plural(buyers, 'buyer')} in {plural(sessions, 'test session')}")
        for row in dataset.rows:
            if row.auc is None:
                lines.append(f"  {row.name:<{width}}  AUC {NONE} ({row.reason})")
                continue
            seeds = f", {row.seeds} seeds" if row.seeds > 1 else ""
            lines.append(
                f"  {row.name:<{width}}  AUC {metric(row.auc)} {interval(row.low, row.high)}  "
                f"average precision {metric(row.average_precision)}  "
                f"top 5 % contain {share(row.reached)} of buyers{seeds}"
            )
        if dataset.no_oracle:
            lines.append(f"  {dataset.no_oracle}")
    for section in next_events:
        width = max(len(row.name) for row in section.rows)
        lines.append(f"{section.name}: {plural(section.event_predictions, 'prediction')} of the next event")
        for model in section.rows:
            category = f"  category {metric(model.category.cross_entropy)}" if model.category else ""
            lines.append(
                f"  {model.name:<{width}}  cross-entropy {metric(model.event.cross_entropy)}  "
                f"accuracy {share(model.event.top_1)}{category}"
            )
    for text in alice.models if alice else []:
        bits = text.metrics.bits_per_character
        lines.append(f"alice: {text.name}: {bits:.3f} bits per held-out character")
    return [*lines, f"The report: {report}"]
