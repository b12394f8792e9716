"""The data card of a data set: where its sessions come from, and what was lost on the way.

All of it comes from the three manifests: events.json, sessions.json, windows.json.
"""

from dataclasses import dataclass
from typing import Any

from rabbithole.report.wording import GAP, listed, minute, number, plural, share
from rabbithole.windows.fields import FIELDS, FIRST_VALUE

Facts = list[tuple[str, str]]
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Card:
    """What the page shows: facts as (what, value) by heading, rejected lines, and what the warnings need."""

    log: Facts
    sessions: Facts
    windows: Facts
    splits: list[dict[str, Any]]
    vocabularies: list[dict[str, Any]]
    reasons: list[tuple[str, str]]
    examples: list[dict[str, Any]]
    visitors_on_both_sides: int | None


def card(*, events: dict[str, Any], sessions: dict[str, Any], windows: dict[str, Any]) -> Card:
    """Return the data card made from the contents of the three manifests."""
    return Card(
        log=log_facts(events),
        sessions=session_facts(sessions),
        windows=window_facts(windows),
        splits=split_rows(sessions),
        vocabularies=vocabulary_rows(windows),
        reasons=[(reason, number(count)) for reason, count in events["rejected_reasons"].items()],
        examples=events["rejected_examples"],
        visitors_on_both_sides=visitors_on_both_sides(sessions),
    )


def log_facts(events: dict[str, Any]) -> Facts:
    """Return what is known of the raw log."""
    lines = events["lines"]
    kinds = [f"{number(count)} {kind}" for kind, count in events["events"].items()]
    facts = [
        ("Format", events["format"]),
        ("Time", f"{minute(events['first'])} to {minute(events['last'])}"),
        ("Events", f"{number(events['rows'])} ({listed(kinds)})"),
        ("Sessions in the log", number(events["sessions"])),
        ("Items", number(events["items"])),
    ]
    if events["visitors"] is not None:
        facts.append(("Visitors", number(events["visitors"])))
    for key, label in (("with_category", "Events with a category"), ("with_cost", "Events with a cost")):
        if f"share_{key}" in events:
            facts.append((label, share(events[f"share_{key}"])))
    if "category_tree" in events:
        tree = events["category_tree"]
        facts.append(
            ("Category tree", f"{number(tree['categories'])} categories, {number(tree['roots'])} roots")
        )
    facts += [
        (
            "Files read",
            listed([f"{file['file']} ({plural(file['lines'], 'line')})" for file in events["files_read"]]),
        ),
        (
            "Lines set aside",
            f"{number(events['rejected'])} of {number(sum(file['lines'] for file in events['files_read']))}",
        ),
        ("Exact duplicates dropped", number(lines["duplicates"])),
    ]
    if events["files_missing"]:
        facts.append(
            ("Missing optional files", listed([name.replace("_", " ") for name in events["files_missing"]]))
        )
    return facts


def session_facts(sessions: dict[str, Any]) -> Facts:
    """Return what is known of the sessions."""
    gap = sessions["gap_minutes"]
    unit = {"session": "the log's own session", "visitor": "visitor"}[sessions["by"]]
    events, lengths = sessions["events"], sessions["lengths"]
    single = lengths["histogram"][0]["sessions"]
    at_cart = sessions["until"] == "first_cart"
    facts = [
        (
            "One session is",
            f"one {unit}" + (f", parted by gaps of {gap:g} minutes" if gap is not None else ""),
        ),
        (
            "Sessions",
            f"{number(sessions['sessions'])}, {share(single / sessions['sessions'])} of a single event",
        ),
        ("Buyers", f"{number(sessions['buyers'])} ({share(sessions['buyers'] / sessions['sessions'])})"),
        (
            "Length in events",
            f"median {number(lengths['median'])}, mean {number(lengths['mean'])}, "
            f"99{GAP}% up to {number(lengths['quantiles']['0.99'])}, longest {number(lengths['longest'])}",
        ),
        ("Dropped", f"{plural(sessions['dropped'], 'session')} without an event before the first purchase"),
        ("Still open at the log's end", number(sessions["open"])),
        (
            "Events",
            f"{number(events['kept'])} kept; {number(events['cut'] + events['dropped'])} "
            f"{'after a first cart, or ' if at_cart else ''}at or after a first purchase left out",
        ),
        *left_out_facts(sessions),
    ]
    if sessions["cost"] == "purchases":
        facts.append(
            ("Cost", f"last price paid before the session began, from {plural(sessions['prices'], 'price')}")
        )
    shares = listed([share(value) for value in sessions["shares"]])
    how = {"time": "by the time that a session began", "hash": "by a hash of the visitor, or of the session"}
    facts.append(("Split", f"{how[sessions['split_by']]}, {shares}"))
    for boundary in sessions.get("boundaries", []):
        both = boundary["visitors_on_both_sides"]
        known = (
            f"; {plural(both, 'visitor')} on both sides" if both is not None else "; visitors are not known"
        )
        facts.append((f"{boundary['begins'].capitalize()} begins", minute(boundary["time"]) + known))
    return facts


def left_out_facts(sessions: dict[str, Any]) -> Facts:
    """Return which sessions the settings leave out, and what the share of buyers would be with them."""
    minimum, drawn = sessions["minimum_events"], share(sessions["sample"])
    asked = {
        "without_cart": ("Judged at the first cart", "without one before a purchase"),
        "short": (f"Of {minimum} events or more", f"of fewer than {minimum} events"),
        "not_drawn": (f"A sample of {drawn}", "not drawn"),
    }
    facts = []
    for reason, counts in sessions["left_out"].items():
        if counts["sessions"]:
            label, words = asked[reason]
            buyers, left_out = sessions["buyers"] + counts["buyers"], counts["sessions"]
            natural = share(buyers / (sessions["sessions"] + left_out))
            found = f"{plural(left_out, 'session')} {words} left out ({plural(counts['events'], 'event')})"
            facts.append((label, f"{found}; with them {natural} would be buyers"))
    return facts


def window_facts(windows: dict[str, Any]) -> Facts:
    """Return what is known of the windows."""
    splits, events = windows["splits"].values(), windows["events"]
    cut_short = sum(split["cut_short"] for split in splits)
    still_open = "keep their label" if windows["keep_open"] else f"{number(windows['open'])} left out"
    left_out = [field for field in FIELDS if field not in windows["fields"]]
    said = f"{listed(left_out)}: no model sees them (an oracle does)"
    unseen = [("Fields left out", said)] if left_out else []
    return [
        *unseen,
        ("Windows", f"{number(windows['rows'])} of {number(sum(split['steps'] for split in splits))} steps"),
        ("Longest", f"the last {number(windows['length'])} events; {plural(cut_short, 'session')} cut short"),
        ("Sessions still open", still_open),
        (
            "Events",
            f"{number(events['kept'])} kept; left out: {number(events['open'])} of sessions still open, "
            f"{number(events['beyond'])} before a session's last {number(windows['length'])}",
        ),
        ("Rare items", f"{number(windows['rare_items'])} seen under {windows['minimum_item_count']} times"),
        ("Time zone", windows["timezone"]),
    ]


def split_rows(sessions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per split: its sessions, buyers, their share, and sessions still open at the log's end."""
    return [
        {"split": split, **counts, "share": counts["buyers"] / counts["sessions"]}
        for split, counts in sorted(sessions["splits"].items(), key=lambda pair: SPLITS.index(pair[0]))
    ]


def vocabulary_rows(windows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per categorical field: its values in train, the share of later steps without one."""
    splits = windows["splits"]
    return [
        {
            "field": field,
            "values": size - FIRST_VALUE,
            **{split: splits[split]["unseen"][field] / splits[split]["steps"] for split in ("valid", "test")},
        }
        for field, size in windows["sizes"].items()
    ]


def visitors_on_both_sides(sessions: dict[str, Any]) -> int | None:
    """Return how many visitors of the test split also stand in train or valid; None where it is not known."""
    known = [
        one["visitors_on_both_sides"] for one in sessions.get("boundaries", []) if one["begins"] == "test"
    ]
    return known[0] if known else None
