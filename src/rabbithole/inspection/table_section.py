"""Write the section `table` of the settings: how one table of the log is read."""

import glob
import re
from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from rabbithole.ingest.locate import matches
from rabbithole.inspection.addresses import is_pattern
from rabbithole.inspection.columns import Column
from rabbithole.inspection.files import LogFile
from rabbithole.inspection.names import Role, is_yes
from rabbithole.inspection.proposal import TableProposal, undone
from rabbithole.inspection.roles import Choice
from rabbithole.inspection.times import how_to_rewrite
from rabbithole.inspection.yaml_lines import YamlLines, names

UTF_16 = ("utf-16-le", "utf-16-be")
"""What the settings call `utf-16`: the byte order mark, or the bytes, say which."""

NO_BUYERS = {
    "view": "if nobody buys in this log; then also set `target: next_event`",
    "order": "if each line is a purchase; then also set `target: next_event`, as nothing comes before it",
}
"""What a log of one kind of events needs besides."""

FORMAT, TABLE, KEY, PART = 2, 3, 4, 5
"""Depths of the keys of a data set, its table's name, its keys, and their keys."""


def write_table(yaml: YamlLines, table: TableProposal, rest: Sequence[LogFile], *, naive: bool) -> None:
    """Write how one table is read. rest: the files of other tables; naive: whether its times need a zone."""
    roles, layout = table.roles, table.layout
    yaml.key(TABLE, table.name)
    if rest:
        yaml.key(KEY, "files", named_files(table, rest))
    yaml.key(KEY, "kind", layout.kind)
    if layout.kind == "csv":
        yaml.key(KEY, "separator", layout.separator)
        if layout.quote != '"':
            yaml.key(KEY, "quote", layout.quote)
        yaml.key(KEY, "header", layout.header, "" if layout.header else "columns are numbers from 1")
        if layout.multiline:
            yaml.key(KEY, "multiline", True, "quoted fields hold line breaks")
        if layout.skip_lines:
            yaml.key(KEY, "skip_lines", layout.skip_lines, "lines before the table")
    if layout.encoding in UTF_16:
        yaml.key(KEY, "encoding", "utf-16")
    elif layout.encoding != "utf-8":
        yaml.key(KEY, "encoding", layout.encoding, f"check: it is not UTF-8; is {table.odd_text} right?")
    if table.decimal != ".":
        yaml.key(KEY, "decimal", table.decimal)
    if table.sample.missing:
        yaml.key(KEY, "missing", list(table.sample.missing), "what stands where there is no value")
    if table.no_values:
        note = "check: probably what stands where there is no value; it counts as one id"
        yaml.key(KEY, "missing", [*table.sample.missing, *table.no_values], note, off=True)
    if table.sample.explode is not None:
        yaml.key(KEY, "explode", table.sample.explode, "each item of this array is an event")
        if table.sample.list_separator is not None:
            yaml.key(KEY, "list_separator", table.sample.list_separator)
    if roles.joined and roles.session.column is not None and roles.visitor.column is not None:
        both = [roles.visitor.column.name, roles.session.column.name]
        yaml.key(KEY, "session", names(both), "several visitors have the same session, so both name one")
    else:
        _role(yaml, "session", roles.session)
    _role(yaml, "visitor", roles.visitor)
    if not table.has_key and not roles.session.others and not roles.visitor.others:
        folders = ", or put each one's files in a folder such as visitor=17" * (len(table.files) > 1)
        yaml.comment(KEY, f"unsure: no column says who acted. Give its name{folders}:")
        yaml.key(KEY, "session", "COLUMN", off=True)
    _time(yaml, table, naive=naive)
    _event(yaml, table, rest)
    _role(yaml, "item", roles.item)
    _category(yaml, table)
    _role(yaml, "cost", roles.cost)
    _fields(yaml, table)


def _role(yaml: YamlLines, role: Role, choice: Choice) -> None:
    """Write the column of a role, or the candidates as comments."""
    if choice.column is not None:
        others = f"; not {_list(choice.others)}" if choice.others else ""
        note = f"check: {choice.note}{others}" if choice.note else others.removeprefix("; ")
        yaml.key(KEY, role, names([choice.column.name]), note)
        return
    for column in choice.others[:5]:
        yaml.key(KEY, role, names([column.name]), f"unsure: {choice.note}; {_examples(column)}", off=True)


def _time(yaml: YamlLines, table: TableProposal, *, naive: bool) -> None:
    roles = table.roles
    column = roles.time.column
    if column is None:
        if not roles.time.others:
            yaml.comment(KEY, f"unsure: {no_times(table)}. Give its name and its format:")
            yaml.key(KEY, "time", {"column": "COLUMN", "unit": "%d/%m/%Y %H:%M:%S", "zone": "UTC"}, off=True)
        for other in roles.time.others[:5]:
            guess = other.time
            unit = "auto" if guess is None else guess.unit
            note = f"unsure: {roles.time.note}; {_examples(other)}"
            yaml.key(KEY, "time", {"column": names([other.name]), "unit": unit}, note, off=True)
        return
    section: dict[str, object] = {"column": names([column.name, *(part.name for part in roles.parts)])}
    if roles.parts:
        section["joined"] = True
    if roles.date is not None:
        section["date"] = names([roles.date.name])
    if roles.offset is not None:
        section |= {"offset": names([roles.offset.name]), "offset_unit": roles.offset_unit}
        if roles.offset_unit in ("ms", "s"):
            yaml.comment(KEY, "check: the unit of the offset within the session: ms or s")
    if roles.time.note:
        yaml.comment(KEY, f"check: {roles.time.note}")
    for unit in roles.units:
        shown = {**section, "unit": unit, **({"zone": "UTC"} if naive else {})}
        yaml.key(KEY, "time", shown, f"unsure: which order of day and month; {_examples(column)}", off=True)
    if roles.units:
        return
    section["unit"] = roles.unit
    if roles.origin is not None:
        section["origin"] = roles.origin
    if naive:
        section["zone"] = "UTC"
        yaml.comment(KEY, "check: the times name no zone; give theirs, such as Europe/Berlin")
    yaml.key(KEY, "time", section)


def orders_alone(table: TableProposal) -> str:
    """Return what a log of orders alone can teach, in words."""
    category = table.roles.category.column
    left = (
        "whether a further order follows, as no category is known"
        if category is None
        else f"which {category.name} is ordered next"
    )
    return f"each line is a purchase, and nothing comes before it to predict it from. What is left: {left}"


def orders_not_kept(table: TableProposal) -> str:
    """Return that orders which were not kept count as purchases, in words; empty if there are none."""
    status = table.statuses
    if status is None:
        return ""
    return f"orders whose {status.name} is {_list_texts(undone(status))} count as purchases, too"


def repeated_events(table: TableProposal) -> str:
    """Return what equal lines of a table with coarse times mean, or equal items of arrays, in words."""
    count, coarse, explode = table.repeated, table.roles.coarse, table.sample.explode
    line, why = "line", f"all times are whole {coarse}s"
    if not coarse:
        line, why = "item", f"those of one array in {explode} may share a time"
    lines = f"1 {line} that was read repeats" if count == 1 else f"{count:,} {line}s that were read repeat"
    return f"{lines} another exactly and would be dropped. As {why}, they may be events of their own"


def no_times(table: TableProposal) -> str:
    """Return why a table has no time, in words."""
    unread = [f"{column.name} ({_examples(column)})" for column in table.unread_times[:2]]
    named = f"; not {' or '.join(unread)}" if unread else ""
    clock = next((column for column in table.columns if column.time is not None and column.time.clock), None)
    if clock is not None:
        named += (
            f"; {clock.name} is a time of day alone: write the day to a column, or put each day's file in a "
            "folder such as day=2025-03-01, whose name is a column"
        )
    since = next((column.name for column in table.columns if "since" in column.words), None)
    if since is not None:
        named += (
            f"; {since} counts from another event, which no setting adds up: write the sum of each visitor "
            "to a column of its own, and read that with `unit` and `origin`"
        )
    for column in table.unread_times[:1]:
        abbreviations = pc.extract_regex(column.present[:200], r"\d ?(?P<zone>[A-Z]{3,4})\s*$").drop_null()
        if len(abbreviations):
            zone = abbreviations[0]["zone"].as_py()
            named += f"; {zone} names no zone for sure: write an offset such as +02:00 in its place"
        if advice := how_to_rewrite(column.present):
            named += f"; {advice}"
    return f"no column holds times that could be read{named}"


def _event(yaml: YamlLines, table: TableProposal, rest: Sequence[LogFile]) -> None:
    choice, words = table.roles.event, table.words
    column = choice.column
    if column is None:
        if choice.others:
            for other in choice.others[:5]:
                note = f"unsure: {choice.note}; {_examples(other)}"
                _column_of_events(yaml, other, {"WORD": "transaction"}, note)
        elif table.content == "order":
            yaml.comment(KEY, f"check: {orders_alone(table)}")
            yaml.key(KEY, "event", "order")
        elif table.content is not None:
            yaml.key(KEY, "event", table.content, "check: what each line is, from file names and columns")
            if (status := table.statuses) is not None:
                yaml.comment(KEY, f"check: {orders_not_kept(table)}. This leaves them out:")
                kept = [word for word in status.counts if word not in undone(status)]
                section = {"column": names([status.name]), "words": dict.fromkeys(kept, "transaction")}
                yaml.key(KEY, "event", {**section, "leave_out": undone(status)}, off=True)
        else:
            yaml.comment(KEY, "unsure: no column says what happened. What is each line?")
            if rest:
                for content in ("view", "transaction"):
                    yaml.key(KEY, "event", content, off=True)
            else:
                for content in ("view", "order"):
                    yaml.key(KEY, "event", content, NO_BUYERS[content], off=True)
            for flag in table.flags:
                marks = {word: "transaction" if is_yes(word) else "view" for word in flag.counts}
                note = f"unsure: if {flag.name} marks the purchase itself, not all of a buyer's events"
                _column_of_events(yaml, flag, marks, note)
            for other in table.worded[:5]:
                note = f"unsure: if {other.name} says what happened; {_examples(other)}"
                patterns = [word for word in other.counts if is_pattern(word)]
                views = dict.fromkeys(patterns[:1], "view")
                _column_of_events(yaml, other, {**views, "WORD": "transaction"}, note)
                if patterns:
                    yaml.comment(
                        KEY, f"`*` stands for any text; its words are {_list_texts([*other.counts])}"
                    )
        return
    yaml.key(KEY, "event", note=f"check: {choice.note}" if choice.note else "")
    second = [] if table.roles.event_rest is None else [table.roles.event_rest.name]
    yaml.key(PART, "column", names([column.name, *second]))
    kept = [
        word
        for word in column.counts
        if word not in words.mapping
        and word not in words.purchase
        and (word not in table.endings or table.lacks_purchases)
    ]
    if words.likely:
        yaml.comment(PART, f"check: {_list_texts(words.purchase)} probably means a purchase")
    if table.lacks_purchases and words.maybe:
        yaml.comment(
            PART,
            f"unsure: which word means a purchase? Add it as `WORD: transaction`, perhaps "
            f"{_list_texts(words.maybe)}. Without one, nobody is known to buy.",
        )
    elif table.lacks_purchases:
        yaml.comment(
            PART,
            "check: no word is known to mean a purchase. If one does, add it as `WORD: transaction`, and "
            "remove `target`.",
        )
    for alike in words.alike:
        # Quoted, as blanks around a word would not be seen.
        shown = ", ".join(map(repr, alike))
        yaml.comment(PART, f"check: {shown} are several kinds of events: give them one name under `words`")
    if words.mapping:
        yaml.key(PART, "words", dict(words.mapping))
    if words.empty:
        yaml.key(PART, "empty", words.empty)
    if table.lacks_purchases and words.maybe:
        mapping = {**words.mapping, words.maybe[0]: "transaction"}
        yaml.key(PART, "words", mapping, "for example", off=True)
    if table.endings and table.lacks_purchases:
        yaml.comment(
            PART,
            f"check: {_list_texts(table.endings)} is always the last event of its session. Is it what counts "
            "as a purchase here? Then use this, and remove `target`; else leave it out.",
        )
        yaml.key(PART, "words", {**words.mapping, **dict.fromkeys(table.endings, "transaction")}, off=True)
        yaml.key(PART, "leave_out", list(table.endings), off=True)
    elif table.endings:
        note = "check: always the last event of its session, so it may reveal that no purchase follows"
        yaml.key(PART, "leave_out", list(table.endings), note)
    if kept:
        yaml.comment(PART, f"kept as they are: {_list_texts(kept)}")


def _column_of_events(yaml: YamlLines, column: Column, words: Mapping[str, str], note: str) -> None:
    """Write a column that may say what happened, as a comment."""
    yaml.key(KEY, "event", {"column": names([column.name]), "words": dict(words)}, note, off=True)


def _category(yaml: YamlLines, table: TableProposal) -> None:
    choice, path = table.roles.category, table.path
    if choice.column is None or path is None:
        _role(yaml, "category", choice)
        return
    section = {"column": names([choice.column.name]), "separator": path.separator, "levels": path.levels}
    yaml.key(KEY, "category", section, f"a path; {_examples(choice.column)}")


def _fields(yaml: YamlLines, table: TableProposal) -> None:
    for left_out in table.left_out:
        yaml.comment(KEY, f"left out: {left_out.column.name}: {left_out.reason}")
    if not table.fields:
        return
    yaml.key(KEY, "fields")
    for field in table.fields:
        count = field.column.distinct
        values = f"{count:,} value{'s' * (count != 1)}; {_examples(field.column)}"
        yaml.key(PART, field.name, {"column": names([field.column.name]), "kind": field.kind}, values)


def named_files(table: TableProposal, rest: Sequence[LogFile]) -> str | list[str]:
    """Return patterns that match a table's files and no others."""
    own = list(dict.fromkeys(glob.escape(file.name) for file in table.files))
    if len(own) > 3:
        patterns = {re.sub(r"\d+", "*", name) for name in own}
        pattern = patterns.pop()
        if not patterns and not any(matches(file.name, [pattern]) for file in rest):
            return pattern
    return own[0] if len(own) == 1 else own


def _examples(column: Column) -> str:
    shown = [
        text if len(text) <= 24 else text[:23] + "…" for text in column.present[:200].unique().to_pylist()[:2]
    ]
    return "such as " + " and ".join(shown) if shown else "empty"


def _list(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns[:4])


def _list_texts(texts: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(text[:70] for text in texts[:most])
    return shown + (f" and {len(texts) - most} more" if len(texts) > most else "")
