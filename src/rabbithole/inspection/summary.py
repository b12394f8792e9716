"""Say on the terminal what was read, what each column is, and whether there is enough to learn from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rabbithole.errors import printable
from rabbithole.inspection.columns import ROUNDED, Column
from rabbithole.inspection.estimates import ASSUMED_AUC, Estimate, auc_half_width
from rabbithole.inspection.files import left_out_lines
from rabbithole.inspection.inspect import Inspection
from rabbithole.inspection.layout import content_by_name
from rabbithole.inspection.mapped import all_events
from rabbithole.inspection.proposal import TableProposal
from rabbithole.inspection.roles import name_score
from rabbithole.inspection.table_section import UTF_16, orders_alone, orders_not_kept, repeated_events
from rabbithole.specs.table import PURCHASE

WIDTH = 80

MAX_SHOWN_COLUMNS = 40
"""Columns in a table on the terminal at most; those that are used come first."""

MIN_EVENTS = 1.1
"""With fewer events per session on average, lines are probably whole sessions."""

MIN_SHARED = 0.05
"""With fewer of its sessions or visitors in other tables, a table names them in another way."""

KEYS = ("session", "visitor", "item")
"""Roles whose values name something."""


def show(inspection: Inspection, console: Console) -> None:
    """Print a summary."""
    console.print(Group(*_parts(inspection)))


def stderr_console() -> Console:
    """Return the console of the standard error stream, at most 80 characters wide."""
    console = Console(stderr=True, highlight=False, soft_wrap=False)
    return Console(stderr=True, highlight=False, width=min(console.width, WIDTH))


def _parts(inspection: Inspection) -> Iterator[RenderableType]:
    for table in inspection.tables:
        yield Text(_read(table), style="bold")
        if inspection.preset is not None:
            yield Text(f"This is the layout of the format {inspection.preset.format.name}.")
        yield _columns(table, known=inspection.preset is not None)
    for table in inspection.others:
        reason = "no times together with a session or visitor"
        if inspection.preset is not None:
            reason = f"the format {inspection.preset.format.name} does not read it"
        yield Text(f"Left out: {_files(table)}: {reason}.")
    yield from (Text(f"Left out: {line}") for line in left_out_lines(inspection.no_tables))
    if inspection.mapped:
        yield from (Text(line) for line in _counts(inspection))
    unsure = [] if inspection.preset is not None else [*_unlinked(inspection), *_unsure(inspection.tables)]
    if unsure:
        yield Text("\nTo check:", style="bold")
        yield from (Text(f"- {line}") for line in unsure)
    if inspection.problem:
        yield Text(f"\nNot complete. Fill in: {printable(inspection.problem)}.", style="bold red")


def _read(table: TableProposal) -> str:
    sample = table.sample
    files = _files(table)
    skipped = (
        f" {sample.malformed:,} line{'s' * (sample.malformed != 1)} could not be taken apart: {sample.advice}"
        if sample.malformed
        else ""
    )
    if sample.whole:
        return f"{files}: read whole, {sample.rows:,} rows.{skipped}"
    share = sample.rows / max(sample.total, 1)
    return (
        f"{files}: read {sample.rows:,} of about {sample.total:,} rows "
        f"({_bytes(sample.bytes)} of {_bytes(sample.total_bytes)}, {share:.1%}).{skipped}"
    )


def _files(table: TableProposal) -> str:
    first = printable(table.files[0].name)
    return first if len(table.files) == 1 else f"{first} and {len(table.files) - 1} more"


def _bytes(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size //= 1000
    return f"{size:,} GB"


def _columns(table: TableProposal, *, known: bool) -> Table:
    shown = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for heading, right in (
        ("column", False),
        ("type", False),
        ("empty", True),
        ("distinct", True),
        ("use", False),
    ):
        shown.add_column(
            heading, justify="right" if right else "left", no_wrap=heading != "use", overflow="ellipsis"
        )
    use = {} if known else _uses(table)
    columns = sorted(table.columns, key=lambda column: column.name not in use)[:MAX_SHOWN_COLUMNS]
    for column in table.columns:
        if column not in columns:
            continue
        empty = "" if column.filled == 1 else f"{1 - column.filled:.0%}" if column.filled < 0.995 else "<1%"
        shown.add_row(
            Text(printable(column.name)),
            "integer" if _is_code(column, use) else column.kind,
            empty,
            f"{column.distinct:,}",
            Text(printable(use.get(column.name, ""))),
        )
    if len(table.columns) > MAX_SHOWN_COLUMNS:
        shown.add_row(f"and {len(table.columns) - MAX_SHOWN_COLUMNS} more", "", "", "", "")
    return shown


def _is_code(column: Column, use: Mapping[str, str]) -> bool:
    """Return whether numbers that could be times are something else, by their use or their name."""
    used = use.get(column.name, "" if use or name_score("time", column) else "code")
    return column.time is not None and column.time.number and used not in ("", "time", "time?", "left out")


def _uses(table: TableProposal) -> Mapping[str, str]:
    """Return what each column is used as, by its name."""
    roles = table.roles
    uses: dict[str, str] = {}
    choices = {
        "time": roles.time,
        "session": roles.session,
        "visitor": roles.visitor,
        "event": roles.event,
        "item": roles.item,
        "category": roles.category,
        "cost": roles.cost,
    }
    for role, choice in choices.items():
        if choice.column is None:
            uses |= {column.name: f"{role}?" for column in choice.others if column.name not in uses}
    uses |= {
        left_out.column.name: "left out" for left_out in table.left_out if left_out.column.name not in uses
    }
    uses |= {field.column.name: f"field ({field.kind})" for field in table.fields}
    for role, choice in choices.items():
        if choice.column is not None:
            uses[choice.column.name] = role
    if roles.event_rest is not None:
        uses[roles.event_rest.name] = "event"
    uses |= {part.name: "time" for part in roles.parts}
    if roles.date is not None:
        uses[roles.date.name] = "date"
    if roles.offset is not None:
        uses[roles.offset.name] = "time offset"
    return uses


def _counts(inspection: Inspection) -> Iterator[str]:
    events = all_events(inspection.mapped)
    shown = ", ".join(f"{printable(name)} {count:,}" for name, count in list(events.items())[:8])
    more = f" and {len(events) - 8} more" if len(events) > 8 else ""
    yield f"\nEvents that were read: {shown}{more}"
    for mapped in inspection.mapped:
        for reason, count in list(mapped.rejected.items())[:3]:
            yield f"{count:,} row{'s' * (count != 1)} can't be used: {printable(reason)}"
    if inspection.estimate is not None:
        yield from _estimate(inspection.estimate, inspection.gap_minutes)


def _estimate(estimate: Estimate, gap: float | None) -> Iterator[str]:
    yield f"Time: {_moment(estimate.first)} to {_moment(estimate.last)} UTC"
    about = "" if estimate.exact else "about "
    if estimate.sessions is None or estimate.buyers is None:
        yield f"Events: {about}{estimate.events:,}. Sessions and buyers can't be estimated: {estimate.basis}."
        return
    by = "of the log" if gap is None else f"that end with a pause of {gap:g} minutes"
    yield f"Events: {about}{estimate.events:,}. Sessions {by}: {about}{estimate.sessions:,}."
    rest = "" if estimate.exact else f" (an estimate from {estimate.basis})"
    if estimate.at_once:
        count = f"{about}{estimate.at_once:,}"
        yield f"Sessions with no event before their first purchase, of which models see nothing: {count}."
    if not estimate.buyers and not estimate.at_once:
        yield f"Buyers: none{rest}. The models predict which event comes next; see `target` in the file."
        return
    share = estimate.buyers / max(estimate.sessions, 1)
    before = " after other events" if estimate.at_once else ""
    yield f"Sessions with a purchase{before}: {about}{estimate.buyers:,} ({share:.2%}){rest}."
    yield _enough(estimate, estimate.sessions, estimate.buyers)


def _enough(estimate: Estimate, sessions: int, buyers: int) -> str:
    width = auc_half_width(sessions, buyers)
    if width is None:
        if buyers == sessions:
            return "There is nothing to learn: every session has a purchase, and models need others too."
        return "Too few to learn from: test, a tenth of the sessions, will hardly have a buyer."
    whole = auc_half_width(sessions, buyers, tested=1.0)
    digits = 2 if width > 0.01 else 3
    low, high = ASSUMED_AUC - width, min(1.0, ASSUMED_AUC + width)
    tested = estimate.buyers_in_test
    text = (
        f"Test will have about {tested:,} buyer{'s' * (tested != 1)}: if the AUC is {ASSUMED_AUC}, its 95 % "
        f"interval will be about {low:.{digits}f} to {high:.{digits}f} (Hanley and McNeil 1982; an estimate)."
    )
    if estimate.has_few_buyers:
        folds = f": that interval is then about ±{whole:.2f}" if whole else ""
        return (
            f"{text} That is too wide to compare models: give it a longer log, or set "
            f"`split: {{by: folds}}`, which tests every session once{folds}."
        )
    return text + (" That is enough to learn from." if width < 0.03 else " That is enough for a first look.")


def _unlinked(inspection: Inspection) -> Iterator[str]:
    """Say that sessions have one event alone, and why purchases in a table of their own follow nothing."""
    for other in inspection.others:
        if content_by_name(other.files[0].name) == PURCHASE:
            name = printable(other.files[0].name)
            yield (
                f"{name} is called like a file of purchases, but it is left out: it has no column of times "
                "together with one of the sessions or visitors of the other tables"
            )
    estimate, mapped = inspection.estimate, inspection.mapped
    if estimate is not None and estimate.sessions and estimate.events < MIN_EVENTS * estimate.sessions:
        yield (
            "session: nearly every session has one event. If a line is a whole visit, this is no log of "
            "events: nothing says what came before a purchase"
        )
    if (
        len(mapped) < 2
        or estimate is None
        or not estimate.exact
        or estimate.at_once <= (estimate.buyers or 0)
    ):
        return
    keys = [table.keys.drop_null().unique() for table in mapped]
    for number, table in enumerate(mapped):
        if not table.bought.any():
            continue
        others = pa.concat_arrays([*keys[:number], *keys[number + 1 :]])
        shared = pc.mean(pc.is_in(keys[number], value_set=others).cast("float64")).as_py()
        name = printable(inspection.tables[number].files[0].name)
        if shared < MIN_SHARED:
            yield (
                f"session or visitor: {shared:.0%} of those in {name} occur in the other tables. A purchase "
                "only follows other events if all tables name its session or visitor in the same way"
            )
        elif inspection.tables[number].roles.coarse not in ("hour", "day"):
            yield (
                f"time: most purchases in {name} have no earlier event of their session. Are the times of "
                "all tables in one zone? Else give each table its own `zone`"
            )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _unsure(tables: Sequence[TableProposal]) -> list[str]:
    """Return what a reader should check, in words."""
    lines = []
    for table in tables:
        roles = table.roles
        for role, choice in (
            ("time", roles.time),
            ("session", roles.session),
            ("visitor", roles.visitor),
            ("event", roles.event),
            ("item", roles.item),
            ("category", roles.category),
            ("cost", roles.cost),
        ):
            if choice.column is not None and choice.note:
                lines.append(f"{role}: {printable(choice.column.name)}: {choice.note}")
            elif choice.column is None and choice.others:
                lines.append(f"{role}: {_names(choice.others)}? {choice.note}")
            if role in KEYS and choice.column is not None:
                lines += _no_values(role, choice.column)
                lines += _rounded(role, choice.column)
        if table.layout.encoding not in ("utf-8", *UTF_16):
            lines.append(
                f"encoding: it is not UTF-8. Is {printable(table.odd_text)!r} right? Else inspect "
                "it again with `--encoding`, such as windows-1251, shift_jis or gb18030"
            )
        if roles.units:
            lines.append(f"time: the order of day and month: {' or '.join(roles.units)}?")
        time = roles.date or roles.time.column
        if roles.parts or (time is not None and time.time is not None and not time.time.zoned):
            lines.append("time: it names no zone, so UTC is taken")
        if table.words.likely:
            lines.append(
                f"event: {', '.join(map(printable, table.words.purchase))} probably means a purchase"
            )
        lines += [
            f"event: {', '.join(map(repr, alike))} differ by case or blanks alone: they are several kinds"
            for alike in table.words.alike
        ]
        if table.repeated:
            lines.append(f"time: {repeated_events(table)}; `drop_duplicates: false` in the file keeps them")
        if table.statuses is not None:
            lines.append(f"event: {printable(orders_not_kept(table))}: see the file")
        if table.content == "order":
            lines.append(f"event: {printable(orders_alone(table))}")
        if table.endings:
            last = f"event: {', '.join(map(printable, table.endings))} is always the last of its session"
            purchase = ". Is it what counts as a purchase here? Then say so under `words` in the file"
            left_out = ", so it is left out (`leave_out` in the file)"
            lines.append(last + (purchase if table.lacks_purchases else left_out))
        if table.lacks_purchases and table.words.maybe:
            maybe = ", ".join(map(printable, table.words.maybe))
            lines.append(f"event: which word means a purchase, perhaps {maybe}?")
        elif table.lacks_purchases:
            lines.append("event: no word is known to mean a purchase; if one does, add it under `words`")
    return list(dict.fromkeys(lines))


def _no_values(role: str, column: Column) -> Iterator[str]:
    for text, count in column.no_values.items():
        yield (
            f"{role}: {count / column.rows:.1%} of the rows have the text {printable(text)} in "
            f"{printable(column.name)}. It counts as one {role}: if it means none, set `missing` in the file"
        )


def _rounded(role: str, column: Column) -> Iterator[str]:
    if column.rounded > 0:
        example = next(text for text in column.counts if re.match(ROUNDED, text))
        yield (
            f"{role}: {column.rounded:.0%} of the values in {printable(column.name)} are written like "
            f"{example}: a spreadsheet cut their last digits, so several {role}s may count as one. Export "
            "the log again, with this column as text"
        )


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(printable(column.name) for column in columns[:5])
