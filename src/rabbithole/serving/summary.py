"""What became of a log that was scored, and everything in it that the model did not meet in training."""

from collections.abc import Mapping

from rabbithole.artifacts.data import EventsManifest, FileCounts
from rabbithole.artifacts.serving import FieldShares, PredictionSummary, Reference
from rabbithole.counts import listed, plural
from rabbithole.errors import printable
from rabbithole.serving.folder import REFERENCE, ModelFolder
from rabbithole.serving.sessions import PredictionCounts
from rabbithole.specs.table import CART, PURCHASE

UNUSUAL_SHARE = 0.2
"""Warn about a field whose share of missing or unknown values is this far above that of test."""

WORDS_SHOWN = 5
"""Unknown events that a warning names."""


def summarise(folder: ModelFolder, log: EventsManifest, counts: PredictionCounts) -> PredictionSummary:
    """Return the summary of a scored log, with its warnings."""
    manifest = folder.manifest
    usual = _usual_shares(folder)
    shares = {
        field: FieldShares(
            missing=counts.missing.get(field, 0) / max(counts.steps, 1),
            unseen=counts.unseen.get(field, 0) / max(counts.steps, 1),
        )
        for field in usual
    }
    return PredictionSummary(
        model=f"{manifest.model}, seed {manifest.seed}",
        dataset=manifest.dataset,
        digest=manifest.digest,
        lines=log.lines.lines,
        rejected=log.rejected,
        duplicates=log.lines.duplicates,
        left_out=log.lines.left_out,
        events=log.rows,
        sessions=counts.sessions,
        running=counts.running,
        bought=counts.bought,
        not_scored=counts.not_scored,
        shares=shares,
        warnings=[
            *(_missing_columns(file) for file in log.files_read if file.missing_columns),
            *unknown_events(folder, log.events, "write it as in the log that the model learned from"),
            *_unusual_values(usual, shares, counts.steps),
            *_lines_and_files(log),
        ],
    )


def _usual_shares(folder: ModelFolder) -> dict[str, FieldShares]:
    """Return how many values are usually missing or unknown, by field: in test; of numbers in train.

    The time since the event before is not among the fields: a log does not hold it.
    """
    numeric = Reference.read(folder.path / REFERENCE).fields
    return folder.manifest.usual | {
        name: FieldShares(missing=field.shares[-1], unseen=0.0)
        for name, field in numeric.items()
        if field.numeric and name != "dwell"
    }


def _missing_columns(file: FileCounts) -> str:
    """Return the warning about a file that lacks columns."""
    names = [
        repr(printable(name)) + (f" (did you mean {printable(near)!r}?)" if near else "")
        for name, near in file.missing_columns.items()
    ]
    kind = "column" if len(names) == 1 else "columns"
    return f"{file.file} has no {kind} {listed(names)}: its {file.rows:,} events are scored without."


def unknown_events(folder: ModelFolder, events: Mapping[str, int], advice: str) -> list[str]:
    """Return a warning about words for events that the model does not know, if there are any.

    events: their numbers by word; advice: what to do where such a word is a purchase or a cart.
    """
    known = _known_events(folder)
    unknown = {word: count for word, count in events.items() if word not in known}
    if not unknown or "event" not in folder.encoder.fitted.vocabularies:
        return []
    largest = sorted(unknown, key=lambda word: (-unknown[word], word))[:WORDS_SHOWN]
    words = [f"{printable(word)!r} ({unknown[word]:,})" for word in largest]
    if len(unknown) > len(largest):
        words.append(f"{len(unknown) - len(largest):,} more")
    return [
        f"event: {plural(sum(unknown.values()), 'event')} of a kind that is unknown to the model: "
        f"{listed(words)}. If one of them is a purchase or an add-to-cart, {advice}."
    ]


def _known_events(folder: ModelFolder) -> frozenset[str]:
    """Return the words for events that the model knows: those of train, and what ends a prediction."""
    fitted = folder.encoder.fitted
    ending = {PURCHASE, *([CART] if folder.manifest.sessions.until == "first_cart" else [])}
    return frozenset(
        map(str, [*fitted.vocabularies.get("event", ()), *fitted.rare.get("event", ()), *ending])
    )


def _unusual_values(usual: dict[str, FieldShares], shares: dict[str, FieldShares], steps: int) -> list[str]:
    """Return a warning for each field with far more missing or unknown values than in training."""
    warnings = []
    for field, share in shares.items():
        for kind, now, before in (
            ("missing", share.missing, usual[field].missing),
            ("unknown to the model", share.unseen, usual[field].unseen),
        ):
            if now > before + UNUSUAL_SHARE:
                warnings.append(
                    f"{field}: {round(now * steps):,} of {steps:,} values ({now:.0%}) are {kind}; it was "
                    f"{before:.0%} when the model was made."
                )
    return warnings


def _lines_and_files(log: EventsManifest) -> list[str]:
    """Return warnings about lines that can't be read and files that are not there."""
    warnings = []
    if log.rejected:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in log.rejected_reasons.items())
        warnings.append(f"{log.rejected:,} of {log.lines.lines:,} lines can't be read: {reasons}.")
    if log.files_missing:
        named = ", ".join(log.files_missing)
        warnings.append(f"The log has no {named} file; the model's own tables were used where it has them.")
    return warnings
