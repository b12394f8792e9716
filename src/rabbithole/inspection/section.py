"""Write the section of the settings that reads a log, with what a reader should check."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rabbithole.config.base import zone_names
from rabbithole.ingest.locate import matches
from rabbithole.inspection.estimates import Estimate
from rabbithole.inspection.files import LeftOutFile, LogFile, left_out_lines
from rabbithole.inspection.presets import Preset
from rabbithole.inspection.proposal import TableProposal
from rabbithole.inspection.table_section import FORMAT, TABLE, named_files, repeated_events, write_table
from rabbithole.inspection.yaml_lines import YamlLines, names

GAP_MINUTES = 30
"""A pause that ends a session, where the log has none of its own: the usual one of web analytics."""

HOURLY_GAP_MINUTES, DAILY_GAP_MINUTES = 60, 7 * 24 * 60
"""The same where times are whole hours: events of one hour and the next are one session. Where they are whole
days, nothing is known to come before a purchase of the same day, so a session goes on for longer."""

SIMULATED = ("yoochoose", "retailrocket")
"""The shops of config.yaml."""

FURTHER_MODELS = ("logistic_regression", "blend")
"""Models that are off by default, and worth their few seconds on a real log."""


def dataset_name(files: Sequence[LogFile]) -> str:
    """Return a name for the data set: that of the file, or of the folder of several."""
    place = files[0].path if len(files) == 1 else Path(os.path.commonpath([file.path for file in files]))
    stem = place.name.split(".")[0] if place.name else ""
    name = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")
    if not re.match(r"[a-z]", name):
        return "shop"
    return (
        name if name not in (*SIMULATED, "alice", "benchmarks", "demo", "logs", "report", "data") else "shop"
    )


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a log.

    sources: what the user gave; others: tables that hold no events; no_tables: files that are none;
    resembled: the format whose columns the log has in another spelling or file, None if none.
    """

    name: str
    sources: Sequence[str]
    tables: Sequence[TableProposal]
    others: Sequence[TableProposal]
    preset: Preset | None
    no_tables: Sequence[LeftOutFile] = ()
    resembled: str | None = None


def write_section(
    proposal: Proposal,
    max_rejected: float | None = None,
    estimate: Estimate | None = None,
    *,
    buyers: bool = True,
    complete: bool = True,
) -> str:
    """Return the settings of a log in YAML.

    max_rejected: the fraction of lines to tolerate, None for the default; estimate: what the log holds, if
    that is known; buyers: whether the sample has any; complete: whether nothing must be filled in.
    """
    yaml = YamlLines()
    sources, tables, preset = proposal.sources, proposal.tables, proposal.preset
    yaml.comment(0, f"Written by `rabbithole inspect {' '.join(sources)}`.")
    if not complete:
        yaml.comment(0, "It is not complete: fill in what is marked `unsure:`.")
    yaml.comment(0, "Check what is marked `check:`, then run: snakemake --cores all --configfile THIS_FILE")
    yaml.key(0, "datasets")
    yaml.comment(1, "The simulated shops of config.yaml, and the text branch below, are left out.")
    for shop in SIMULATED:
        yaml.lines.append(f"  {shop}: null")
    yaml.key(1, proposal.name)
    for line in left_out_lines(proposal.no_tables):
        yaml.comment(FORMAT, f"left out: {line}")
    no_tables = [left_out.file for left_out in proposal.no_tables]
    chosen = preset.tables.values() if preset else tables
    of_tables = {file.path for table in chosen for file in table.files}
    read = [name for name in sources if Path(name) in of_tables or not Path(name).is_file()]
    source: object = read[0] if len(read) == 1 else read
    if preset is not None:
        _preset(yaml, source, preset, [*tables, *proposal.others], no_tables)
    else:
        if proposal.resembled is not None:
            note = "but its columns or lines are written otherwise: so each column is named here"
            yaml.comment(FORMAT, f"the layout of {proposal.resembled}, {note}")
        yaml.key(FORMAT, "format", "table")
        yaml.key(FORMAT, "source", source)
    if max_rejected is not None:
        note = "check: share of unreadable lines that is tolerated; see the terminal"
        yaml.key(FORMAT, "max_rejected", max_rejected, note)
    if not buyers:
        orders = any(table.content == "order" for table in tables)
        why = "each line is a purchase" if orders else "no event is a purchase"
        yaml.comment(FORMAT, f"check: {why}, so the models predict which event comes next")
        yaml.key(FORMAT, "target", "next_event")
    if estimate is not None and estimate.has_few_buyers:
        note = "check: test will have few buyers. Folds test every session once, in five times the time"
        yaml.key(FORMAT, "split", {"by": "folds", "count": 5}, note, off=True)
    if buyers and _has_sessions_of_visitors(proposal):
        note = "models then see what a visitor did in earlier sessions, too"
        yaml.key(FORMAT, "windows", {"history": True}, note, off=True)
    if preset is None:
        _table_format(yaml, tables, proposal.others, no_tables)
    if buyers:
        yaml.key(0, "models")
        yaml.comment(1, "Besides the two networks and gradient boosting: a simple floor, and a blend of all.")
        yaml.lines += [f"  {model}: {{}}" for model in FURTHER_MODELS]
    if estimate is not None and estimate.has_few_to_learn:
        note = "check: few buyers to learn from. This searches for better settings, ten minutes per model"
        yaml.key(0, "training", {"tune": 10}, note, off=True)
    if not buyers:
        yaml.key(0, "report", {"title": "What comes next?"})
    yaml.lines.append("alice: null")
    return yaml.text()


def _has_sessions_of_visitors(proposal: Proposal) -> bool:
    """Return whether the log names its own sessions, and visitors besides."""
    if proposal.preset is not None:
        known = (proposal.preset.format.tables or {}).values()
        return all("session" in table for table in known) and any("visitor" in table for table in known)
    roles = [table.roles for table in proposal.tables]
    return all(of_table.session.column for of_table in roles) and any(
        of_table.visitor.column for of_table in roles
    )


def _preset(
    yaml: YamlLines,
    source: object,
    preset: Preset,
    tables: Sequence[TableProposal],
    no_tables: Sequence[LogFile],
) -> None:
    """Write the short form of a known format."""
    format = preset.format
    yaml.key(FORMAT, "format", format.name, "its columns are known")
    if format.tables is None:
        by_role = {
            role: names([str(file.path) for file in table.files]) for role, table in preset.tables.items()
        }
        yaml.key(FORMAT, "source", by_role)
        return
    yaml.key(FORMAT, "source", source)
    patterns = {name: _patterns(table.get("files")) for name, table in format.tables.items()}
    wrong = {}
    for name, table in preset.tables.items():
        rest = [*no_tables, *(file for other in tables if other is not table for file in other.files)]
        known = all(matches(file.name, patterns[name]) for file in table.files)
        if not known or any(matches(file.name, patterns[name]) for file in rest):
            wrong[name] = named_files(table, rest)
    if wrong:
        yaml.key(FORMAT, "table")
        for name, files in wrong.items():
            yaml.key(TABLE, name, {"files": files})


def _patterns(files: str | list[str] | None) -> list[str]:
    return ["*"] if files is None else [files] if isinstance(files, str) else files


def _table_format(
    yaml: YamlLines,
    tables: Sequence[TableProposal],
    others: Sequence[TableProposal],
    no_tables: Sequence[LogFile],
) -> None:
    zones = [table for table in tables if _is_naive(table)]
    zone = _zone_of_types(tables)
    note = "check: the shop's zone, such as Europe/Berlin: hour and weekday are read in it"
    yaml.key(FORMAT, "timezone", zone or "UTC", note if zone is None else "as the type of the times says")
    if any(table.roles.session.column is None for table in tables):
        yaml.key(
            FORMAT,
            "sessions",
            {"by": "visitor", "gap_minutes": _gap_minutes(tables)},
            "a visitor's session ends with a pause of so many minutes",
        )
    for table in tables:
        if table.repeated:
            note = f"check: {repeated_events(table)}. This keeps them"
            yaml.key(FORMAT, "drop_duplicates", False, note, off=True)
            break
    if apart := no_common_key(tables):
        yaml.comment(FORMAT, f"unsure: {apart}. Without it, no purchase is known to follow a view")
    yaml.key(FORMAT, "table")
    for table in others:
        shown = ", ".join(file.name for file in table.files[:3])
        yaml.comment(
            TABLE, f"left out: {shown}: it has no column of times together with a session or visitor"
        )
    for table in tables:
        rest = [
            *no_tables,
            *(file for other in (*tables, *others) if other is not table for file in other.files),
        ]
        write_table(yaml, table, rest, naive=table in zones)


def no_common_key(tables: Sequence[TableProposal]) -> str:
    """Return that some tables name sessions and the others visitors, an empty text if all have either."""
    columns = [(table.roles.session.column, table.roles.visitor.column) for table in tables]
    if any(session is visitor is None for session, visitor in columns):
        return ""
    if any(all(column is not None for column in keys) for keys in zip(*columns, strict=True)):
        return ""
    named = (
        f"{table.files[0].name} has {key.name}"
        for table, keys in zip(tables, columns, strict=True)
        if (key := keys[0] or keys[1]) is not None
    )
    return f"a session or visitor that all tables name: {', '.join(named)}"


def _gap_minutes(tables: Sequence[TableProposal]) -> int:
    """Return the pause that ends a session: longer where times are whole hours or days."""
    if any(
        table.roles.coarse == "day"
        and (table.has_purchases or table.words.maybe)
        and table.content != "order"
        for table in tables
    ):
        return DAILY_GAP_MINUTES
    return HOURLY_GAP_MINUTES if any(table.roles.coarse == "hour" for table in tables) else GAP_MINUTES


def _zone_of_types(tables: Sequence[TableProposal]) -> str | None:
    """Return the time zone that the types of all times name, None if there is no such one."""
    columns = [table.roles.time.column for table in tables]
    zones = {None if column is None else column.zone for column in columns}
    zone = zones.pop()
    return zone if not zones and zone in zone_names() else None


def _is_naive(table: TableProposal) -> bool:
    column = table.roles.date or table.roles.time.column
    if table.roles.parts:
        return True
    return column is not None and column.time is not None and not column.time.zoned
