"""What a prediction says on the terminal."""

import sys

from rich.console import Console
from rich.table import Table

from rabbithole.artifacts.serving import PredictionSummary

REASONS = {
    "bought_at_once": "no event before the purchase",
    "without_cart": "no cart before the purchase",
    "short": "too few events",
}
"""Why a session has no score."""


def print_summary(summary: PredictionSummary, output: str) -> None:
    """Print what became of the log, to the standard error: the standard output may hold the scores."""
    console = Console(file=sys.stderr, highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{summary.sessions:,}", f"sessions scored, {summary.running:,} of them still running")
    if summary.bought:
        table.add_row(f"{summary.bought:,}", "of them bought in this log; the score ignores the purchase")
    for reason, count in summary.not_scored.items():
        table.add_row(f"{count:,}", f"sessions not scored: {REASONS.get(reason, reason)}")
    table.add_row(f"{summary.events:,}", f"events of {summary.lines:,} lines")
    table.add_row(f"{summary.rejected:,}", "lines that can't be read")
    table.add_row(f"{summary.duplicates:,}", "lines that repeat another one")
    if summary.left_out:
        table.add_row(f"{summary.left_out:,}", "events that the settings leave out")
    if summary.audience is not None:
        table.add_row(f"{summary.audience.contact:,}", "sessions in the audience: contact them")
        table.add_row(f"{summary.audience.hold_out:,}", "held out of it at random, to measure the effect")
    console.print(table)
    for warning in summary.warnings:
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    if output != "-":
        console.print(f"Scores: {output}", markup=False, soft_wrap=True)
