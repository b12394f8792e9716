"""Checks sessions before any training: what no model can learn from ends the step, the rest is a warning."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from rabbithole.artifacts.data import Diagnosis, EventsManifest, SplitCounts
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.specs.data import SessionsPurpose, SessionsSpec
from rabbithole.specs.table import PURCHASE

LOGGER = logging.getLogger("rabbithole")

OPEN_SHARE = 0.02
"""Share of a log's time span that the default horizon of open sessions takes at most."""

SESSION_MINUTES, VISITOR_MINUTES = 60.0, 24 * 60.0
"""Default horizons of a long log: that of its own sessions, and that of one session per visitor."""

FEW_BUYERS = 20
"""Buyers of a split below which it is diagnosed: the AUC's 95 % interval is then wider than about 0.4."""

MAX_OPEN_SHARE = 0.5
"""Fraction of a split's sessions that are open above which it is diagnosed."""


def open_minutes(spec: SessionsSpec, log: EventsManifest) -> float:
    """Return how close to the log's last event a session counts as open, in minutes.

    With a gap that is the gap, as no session lasts longer after its last event. With `until: first_cart` a
    session may go on after the cart, so the gap does not count. A horizon that the settings leave open takes
    at most `OPEN_SHARE` of the log: else a log of some hours would have no closed session in test.
    """
    gap = spec.gap_minutes if spec.until == "purchase" else None
    if spec.open_horizon_hours is not None:
        return spec.open_horizon_hours * 60 if gap is None else gap
    natural = gap or (SESSION_MINUTES if spec.by == "session" else VISITOR_MINUTES)
    # Whole seconds, so that the leak check computes the same moment.
    return min(natural, round(60 * OPEN_SHARE * span_minutes(log)) / 60)


def span_minutes(log: EventsManifest) -> float:
    """Return the time from a log's first event to its last, in minutes."""
    return (log.last_microseconds / 1e6 - datetime.fromisoformat(log.first).timestamp()) / 60


def require_purchases(log: EventsManifest, purpose: SessionsPurpose) -> None:
    """Raise `UserError` for a log without purchases from which models would learn who buys."""
    if purpose.buyers and (none := _no_purchase(log)):
        raise UserError(
            f"{none.text} {none.advice} Without purchases, `target: next_event` can still be learned."
        )


def require_sessions(
    splits: Mapping[str, SplitCounts],
    spec: SessionsSpec,
    purpose: SessionsPurpose,
    *,
    minutes: float,
    dropped: int = 0,
) -> None:
    """Raise `UserError` where models could not be trained at all. dropped: as in `SessionsManifest`.

    That is a split of open sessions alone, or a train split without buyers or without others. A valid or test
    split that lacks either is no error: the metrics that need both are then not defined.
    """
    for name, split in splits.items():
        if not purpose.keep_open and not split.closed:
            if minutes == 0:
                raise UserError(
                    "All events of the log have the same time, so every session is still open at its end. "
                    "Check the column and the unit of the time, or set `sessions.keep_open: true`."
                )
            subject = f"All {split.sessions:,} sessions" if split.sessions > 1 else "The only session"
            verb, whose = ("are", "their") if split.sessions > 1 else ("is", "its")
            raise UserError(
                f"{subject} of {name} {verb} still open at the end of the log: {whose} last event is within "
                f"{duration(minutes)} of it. {_open_advice(spec)}"
            )
    train = splits["train"]
    buyers, sessions = _usable(train, keep_open=purpose.keep_open)
    if purpose.buyers and buyers in (0, sessions):
        lack = "no buyer" if buyers == 0 else "only buyers"
        of_open = (
            f" ({train.open_buyers:,} are in sessions still open at the end of the log)"
            if train.open_buyers and not buyers
            else ""
        )
        all_buyers = sum(split.buyers for split in splits.values())
        advice = _buyers_advice(splits, spec, dropped)
        if all_buyers == sum(split.sessions for split in splits.values()):
            advice = "Check which event type means a purchase, and that the log holds all sessions."
        raise UserError(
            f"train has {sessions:,} sessions and {lack}{of_open}; the whole log has "
            f"{plural(all_buyers, 'buyer')}. Training needs both buyers and others. {advice}"
        )


def why_empty(
    name: str, sessions: int, log: EventsManifest, spec: SessionsSpec, times: Sequence[str] | None
) -> str:
    """Return why a split has no session, and what helps.

    sessions: those of all splits; times: when valid and test begin, None where the split is not by time.
    """
    if log.sessions == 1 and spec.gap_minutes is None:
        return (
            f"All {log.rows:,} events have the same {spec.by}, so they are one session. Name the column "
            "with the session's id, or set sessions.by to visitor with a sessions.gap_minutes."
        )
    split, number = spec.split, plural(sessions, "session")
    together = ""
    if times is None and log.visitors:
        number += f" of {plural(log.visitors, 'visitor')}"
        together = " (those of a visitor stay together)"
    if split.fold is not None:
        return (
            f"The {name} split of fold {split.fold.number} is empty: {number} in {split.fold.count} folds"
            f"{together}. Use more data, a smaller split.count, or split.by: time."
        )
    shares = ", ".join(f"{share:g}" for share in split.shares)
    why = f"{number}, split by {split.by} in shares of {shares}{together}"
    if times is not None:
        why += f", at {' and '.join(times)} (sessions that start at the same time stay together)"
    other = "hash" if split.by == "time" else "time"
    return f"The {name} split is empty: {why}. Use more data, other shares, or split.by: {other}."


def diagnose(
    log: EventsManifest,
    splits: Mapping[str, SplitCounts],
    spec: SessionsSpec,
    *,
    minutes: float,
    dropped: int = 0,
) -> list[Diagnosis]:
    """Return what may keep models from learning, and log it.

    minutes: the horizon of open sessions; dropped: as in `SessionsManifest`.
    """
    diagnoses = []
    if none := _no_purchase(log):
        diagnoses.append(none)
    elif min(split.closed_buyers for split in splits.values()) < FEW_BUYERS:
        counts = ", ".join(
            f"{split.closed_buyers:,} of {split.closed:,} in {name}" for name, split in splits.items()
        )
        diagnoses.append(
            Diagnosis(
                kind="few buyers",
                text=f"There are few buyers among the sessions: {counts}. {_width(splits, spec)}",
                advice=_buyers_advice(splits, spec, dropped),
            )
        )
    train = splits["train"]
    if train.closed and train.closed_buyers == train.closed:
        diagnoses.append(
            Diagnosis(
                kind="no non-buyer",
                text=f"All {train.closed:,} sessions of train are buyers.",
                advice="Check which event type means a purchase.",
            )
        )
    if late := [name for name, split in splits.items() if split.open > MAX_OPEN_SHARE * split.sessions]:
        text = f"Most sessions of {' and '.join(late)} are still open at the end of the log."
        span = f"The log spans {duration(span_minutes(log))}, the last {duration(minutes)} count as its end."
        diagnoses.append(Diagnosis(kind="short log", text=f"{text} {span}", advice=_open_advice(spec)))
    for diagnosis in diagnoses:
        LOGGER.warning("Warning: %s %s", diagnosis.text, diagnosis.advice)
    return diagnoses


def duration(minutes: float) -> str:
    """Write a duration in the unit that suits it: 24 minutes, 2.5 hours, 30 days."""
    for unit, length in (("days", 1440), ("hours", 60), ("minutes", 1)):
        if minutes >= 2 * length:
            return f"{minutes / length:.3g} {unit}"
    return f"{minutes * 60:.3g} seconds"


def _usable(split: SplitCounts, *, keep_open: bool) -> tuple[int, int]:
    """Return the buyers and the sessions of a split that windows hold."""
    return (split.buyers, split.sessions) if keep_open else (split.closed_buyers, split.closed)


def _no_purchase(log: EventsManifest) -> Diagnosis | None:
    if log.events.get(PURCHASE):
        return None
    kinds = ", ".join(sorted(log.events, key=lambda kind: (-log.events[kind], kind))[:12])
    return Diagnosis(
        kind="no purchase",
        text=f"The log holds no purchase. Its event types are {kinds}.",
        advice="If one of them means a purchase, map it to `transaction` in the settings of the log, or add "
        "the file of purchases.",
    )


def _buyers_advice(splits: Mapping[str, SplitCounts], spec: SessionsSpec, dropped: int) -> str:
    """Return what brings more buyers; a split by hash only if it would double those of a split.

    Folds bring no more, but all of them into the figures. dropped: sessions with nothing before a purchase.
    """
    if dropped > sum(split.buyers for split in splits.values()):
        return (
            f"{plural(dropped, 'further session')} with a purchase {'has' if dropped == 1 else 'have'} no "
            "event before it, and an event at the same time does not count as before. Check that views and "
            "purchases have the times at which they happened, to the second, by one clock and in one zone."
        )
    if spec.split.by == "folds":
        return "Use a longer log."
    buyers = sum(split.closed_buyers for split in splits.values())
    uneven = any(
        2 * split.closed_buyers < share * buyers
        for split, share in zip(splits.values(), spec.split.shares, strict=True)
    )
    by_hash = (
        " or set `split.by: hash`, which spreads the buyers over the splits"
        if uneven and spec.split.by == "time"
        else ""
    )
    if by_hash:
        return f"Use a longer log{by_hash}."
    return "Use a longer log, other `split.shares`, or `split: {by: folds}`, which tests every session once."


def _open_advice(spec: SessionsSpec) -> str:
    ways = ["a longer log"]
    if not spec.gap_minutes or spec.until != "purchase":
        ways.append("a smaller `sessions.open_horizon_hours`")
    ways.append("`sessions.keep_open: true`")
    if spec.split.by == "time":
        ways.append("`split.by: hash`")
    return f"Use {', '.join(ways[:-1])} or {ways[-1]}."


def _width(splits: Mapping[str, SplitCounts], spec: SessionsSpec) -> str:
    """Return a sentence on the AUC that the buyers of test allow; its error is at most 0.43 / sqrt(n).

    By folds, all sessions are tested.
    """
    tested = splits.values() if spec.split.by == "folds" else [splits["test"]]
    buyers = sum(split.closed_buyers for split in tested)
    smaller = min(buyers, sum(split.closed for split in tested) - buyers)
    if smaller < 2:
        return "An AUC on test will not be defined."
    return f"The 95 % interval of an AUC on test will be about ±{min(0.5, 0.85 / smaller**0.5):.2f} at most."
