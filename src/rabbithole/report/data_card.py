"""The data card of a data set: where its sessions come from, and what was excluded, from the manifests."""

from collections.abc import Sequence
from dataclasses import dataclass

from rabbithole.artifacts.data import (
    EventsManifest,
    RejectedLine,
    SessionsManifest,
    SplitCounts,
    WindowsManifest,
)
from rabbithole.report.runs import field_name
from rabbithole.report.wording import GAP, listed, minute, number, plural, share
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.windows.fields import FIRST_VALUE

Facts = list[tuple[str, str]]
"""Labels and their values as text."""

SPLITS = ("train", "valid", "test")

MANY_KINDS = 8
"""Event types that are listed at most."""


@dataclass(frozen=True)
class VocabularyRow:
    """A categorical field: its values in train, and the share of steps of valid and test without one."""

    field: str
    size: int
    valid: float
    test: float


@dataclass(frozen=True)
class DataCard:
    """What the page shows of a data set's log, sessions and windows.

    rejected_reasons: counts of rejected lines by reason; visitors_on_both_sides: visitors of the test split
    with sessions in train or valid, None if unknown; folds: their number, 0 without; then splits are the
    folds' tests, and the vocabularies are of the first.
    """

    log: Facts
    sessions: Facts
    windows: Facts
    splits: dict[str, SplitCounts]
    vocabularies: list[VocabularyRow]
    rejected_reasons: dict[str, int]
    rejected_examples: list[RejectedLine]
    visitors_on_both_sides: int | None
    folds: int = 0


def data_card(
    events: EventsManifest,
    sessions: SessionsManifest,
    windows: WindowsManifest,
    folds: Sequence[SessionsManifest] = (),
) -> DataCard:
    """Return the data card of three manifests, of one fold where `folds` has the sessions of all folds."""
    count = len(folds)
    splits = {split: sessions.splits[split] for split in SPLITS}
    on_both_sides = [
        boundary.visitors_on_both_sides for boundary in sessions.boundaries if boundary.begins == "test"
    ]
    return DataCard(
        log=log_facts(events),
        sessions=session_facts(sessions, count),
        windows=window_facts(windows),
        splits={f"fold {n}": fold.splits["test"] for n, fold in enumerate(folds)} if count else splits,
        vocabularies=vocabulary_rows(windows),
        rejected_reasons=events.rejected_reasons,
        rejected_examples=events.rejected_examples,
        visitors_on_both_sides=on_both_sides[0] if on_both_sides else None,
        folds=count,
    )


def log_facts(events: EventsManifest) -> Facts:
    """Return facts about the raw log."""
    kinds = event_kinds(events.events)
    files = [f"{file.file} ({plural(file.lines, 'line')})" for file in events.files_read]
    facts = [
        ("Format", events.format),
        ("Time", f"{minute(events.first)} to {minute(events.last)}"),
        ("Events", f"{number(events.rows)} ({listed(kinds)})"),
    ]
    # A log without sessions of its own counts its visitors as such.
    if events.visitors != events.sessions:
        facts.append(("Sessions in the log", number(events.sessions)))
    if events.items:
        facts.append(("Items", number(events.items)))
    if events.visitors is not None:
        facts.append(("Visitors", number(events.visitors)))
    if events.share_with_category:
        facts.append(("Events with a category", share(events.share_with_category)))
    if events.share_with_cost:
        facts.append(("Events with a cost", share(events.share_with_cost)))
    if events.fields:
        kind_names = {"category": "text", "number": "numbers"}
        further = [f"{field} ({kind_names[kind]})" for field, kind in events.fields.items()]
        facts.append(("Further fields", listed(further)))
    if tree := events.category_tree:
        text = f"{plural(tree.categories, 'category', 'categories')}, {plural(tree.roots, 'root')}"
        facts.append(("Category tree", text))
    facts += [
        ("Files read", listed(files)),
        ("Rejected lines", f"{number(events.rejected)} of {number(sum(f.lines for f in events.files_read))}"),
        ("Exact duplicates dropped", number(events.lines.duplicates)),
    ]
    if events.lines.left_out:
        facts.append(("Events left out by the settings", number(events.lines.left_out)))
    if events.files_missing:
        names = [name.replace("_", " ") for name in events.files_missing]
        facts.append(("Missing optional files", listed(names)))
    return facts


def event_kinds(events: dict[str, int]) -> list[str]:
    """Return the counts of the event types; of many types, those of the most frequent ones."""
    if len(events) <= MANY_KINDS:
        return [f"{number(count)} {kind}" for kind, count in events.items()]
    frequent = sorted(events, key=lambda kind: (-events[kind], kind))[: MANY_KINDS - 1]
    others = sum(events.values()) - sum(events[kind] for kind in frequent)
    kinds = [f"{number(events[kind])} {kind}" for kind in frequent]
    return [*kinds, f"{number(others)} of {len(events) - len(frequent)} other types"]


def session_facts(sessions: SessionsManifest, folds: int = 0) -> Facts:
    """Return facts about the sessions. folds: their number, 0 without."""
    unit = {"session": "session ID of the log", "visitor": "visitor"}[sessions.by]
    gap = f", split at gaps of {sessions.gap_minutes:g} minutes" if sessions.gap_minutes is not None else ""
    lengths, events = sessions.lengths, sessions.events
    single = lengths.histogram[0].sessions / sessions.sessions
    quantile = f"99{GAP}% up to {number(lengths.quantiles['0.99'])}, longest {number(lengths.longest)}"
    cart = "after the first add-to-cart, or " if sessions.until == "first_cart" else ""
    removed = f"{number(events.cut + events.dropped)} {cart}at or after the first purchase removed"
    split_by = {"time": "by the start time of the session", "hash": "by a hash of the visitor or session"}
    facts = [
        ("One session per", unit + gap),
        ("Sessions", f"{number(sessions.sessions)}, {share(single)} with a single event"),
        ("Buyers", f"{number(sessions.buyers)} ({share(sessions.buyers / sessions.sessions)})"),
        ("Events per session", f"median {lengths.median}, mean {number(lengths.mean)}, {quantile}"),
        ("Dropped", f"{plural(sessions.dropped, 'session')} without an event before the first purchase"),
        ("Still open at the end of the log", plural(sessions.open, "session")),
        ("Events", f"{number(events.kept)} kept; {removed}"),
        *exclusion_facts(sessions),
    ]
    if sessions.cost == "purchases" and sessions.prices is not None:
        source = f"from {plural(sessions.prices, 'price')} of earlier purchases"
        facts.append(("Cost", f"the last price paid before the session began, {source}"))
    if folds:
        text = f"{folds} folds by a hash of the visitor or session: each is test once, valid once, else train"
    else:
        text = f"{split_by[sessions.split_by]}, {listed([share(part) for part in sessions.shares])}"
    facts.append(("Split", text))
    for boundary in sessions.boundaries:
        visitors = boundary.visitors_on_both_sides
        crossing = (
            "the log has no visitors" if visitors is None else f"{plural(visitors, 'visitor')} on both sides"
        )
        facts.append((f"{boundary.begins.capitalize()} begins", f"{minute(boundary.time)}; {crossing}"))
    return facts


def exclusion_facts(sessions: SessionsManifest) -> Facts:
    """Return which sessions the settings exclude, and what the share of buyers would be with them."""
    minimum = plural(sessions.minimum_events, "event")
    texts = {
        "without_cart": ("Predicted at the first add-to-cart", "without one before a purchase"),
        "short": (f"At least {minimum}", f"with fewer than {minimum}"),
        "not_drawn": (f"Random sample of {share(sessions.sample)}", "not drawn"),
    }
    facts = []
    for reason, counts in sessions.excluded.items():
        if counts.sessions:
            label, which = texts[reason]
            natural = (sessions.buyers + counts.buyers) / (sessions.sessions + counts.sessions)
            excluded = f"{plural(counts.sessions, 'session')} {which} excluded"
            events = plural(counts.events, "event")
            facts.append((label, f"{excluded} ({events}); with them the share of buyers is {share(natural)}"))
    return facts


def window_facts(windows: WindowsManifest) -> Facts:
    """Return facts about the windows."""
    splits, events, length = windows.splits.values(), windows.events, number(windows.length)
    steps, cut_short = sum(split.steps for split in splits), sum(split.cut_short for split in splits)
    facts = []
    if windows.left_out:
        hidden = listed([field_name(field) for field in windows.left_out])
        facts.append(("Unused fields", f"{hidden}: no model sees them"))
    rare = [
        (
            "Rare items" if field == "item" else f"Rare values of {field_name(field)}",
            f"{number(count)} with fewer than {plural(windows.minimum_counts[field], 'event')}",
        )
        for field, count in windows.rare.items()
        if field != SESSIONS_AGO
    ]
    if windows.history:
        shown = plural(sum(split.with_history for split in splits), "session")
        earlier = plural(sum(split.history for split in splits), "step")
        most = f"at most the last {plural(windows.history, 'event')} of each visitor"
        facts.append(("History", f"{shown} with {earlier} of earlier sessions, {most}"))
    return [
        *facts,
        ("Windows", f"{number(windows.rows)} with {plural(steps, 'step')}"),
        ("Length", f"the last {plural(windows.length, 'event')}; {plural(cut_short, 'longer session')} cut"),
        (
            "Open sessions",
            "kept with their label" if windows.keep_open else f"{number(windows.open)} excluded",
        ),
        (
            "Events",
            f"{number(events.kept)} kept; excluded: {number(events.open)} of open sessions, "
            f"{number(events.beyond)} before the last {length} of a session",
        ),
        *rare,
        ("Time zone", windows.timezone),
    ]


def vocabulary_rows(windows: WindowsManifest) -> list[VocabularyRow]:
    """Return a row per categorical field."""
    valid, test = windows.splits["valid"], windows.splits["test"]
    return [
        VocabularyRow(
            field=field_name(field),
            size=windows.sizes[field] - FIRST_VALUE,
            valid=valid.unseen[field] / valid.steps,
            test=test.unseen[field] / test.steps,
        )
        for field in windows.fields.categorical
    ]
