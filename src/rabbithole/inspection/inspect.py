"""`rabbithole inspect`: reads a sample of a log's files and proposes the settings that read the log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import yaml

from rabbithole.config.datasets import Dataset
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError
from rabbithole.inspection.estimates import Estimate, estimate
from rabbithole.inspection.files import LeftOutFile, LogFile, NoTableError, log_files
from rabbithole.inspection.layout import Layout, layout_of, same_table
from rabbithole.inspection.mapped import Mapped, ending_words, map_role, map_table
from rabbithole.inspection.presets import Preset, recognise, resembled
from rabbithole.inspection.proposal import TableProposal, propose_table
from rabbithole.inspection.sample import read_sample
from rabbithole.inspection.section import Proposal, dataset_name, no_common_key, write_section
from rabbithole.inspection.settle import settle
from rabbithole.inspection.table_section import no_times
from rabbithole.specs.table import is_encoding

MAX_UNREADABLE_SHARE = 0.2
"""Above this share of unreadable lines, the proposal itself is wrong."""


MAX_EMPTY_SHARE = 0.5
"""So large a share of lines may lack the visitor or the event: guests have no number, for example."""


@dataclass(frozen=True)
class Inspection:
    """What is known of a log.

    text: the settings in YAML; tables: those of events; mapped: their samples as events, empty if the
    settings are not complete; others: tables without events; no_tables: files that are no table; problem:
    what must be filled in, empty if nothing.
    """

    name: str
    text: str
    tables: Sequence[TableProposal]
    others: Sequence[TableProposal]
    no_tables: Sequence[LeftOutFile]
    preset: Preset | None
    mapped: Sequence[Mapped]
    estimate: Estimate | None
    gap_minutes: float | None
    problem: str

    @property
    def complete(self) -> bool:
        """Return whether the settings run unchanged."""
        return not self.problem


def inspect(sources: Sequence[str], encoding: str | None = None) -> Inspection:
    """Look at a sample of a log's files and return the settings that read them.

    encoding: that of texts that are not UTF-8, None if it is to be found out.
    """
    files = log_files(sources)
    if encoding is not None and not is_encoding(encoding):
        raise UserError(
            f"{encoding!r} is no encoding that can be read. Give utf-16, or such as windows-1251."
        )
    proposals, no_tables = read_tables(files, encoding)
    preset = recognise(proposals)
    name = dataset_name(files)
    if preset is not None:
        tables = list(preset.tables.values())
        others = [table for table in proposals if table not in tables]
        problem = ""
    else:
        tables, others = settle(proposals)
        problem = missing(tables)
    like = resembled(proposals) if preset is None else None
    proposal = Proposal(name, sources, tables, others, preset, no_tables, like)
    text = write_section(proposal, complete=not problem)
    if problem:
        return Inspection(name, text, tables, others, no_tables, preset, [], None, None, problem)
    dataset = load(name, text)
    mapped, gap = _map(tables, dataset, preset), dataset.sessions.gap_minutes
    if preset is None:
        for table, mapped_table in zip(tables, mapped, strict=True):
            table.endings = ending_words(table, mapped_table, None if gap is None else 60 * gap)
        if any(table.endings for table in tables):
            text = write_section(proposal, complete=not problem)
            dataset = load(name, text)
            mapped = _map(tables, dataset, preset)
    rejected = sum(sum(mapped_table.rejected.values()) for mapped_table in mapped)
    rejected += sum(table.sample.malformed for table in tables)
    share = rejected / sum(table.sample.rows + table.sample.malformed for table in tables)
    empty = sum(count for table in mapped for reason, count in table.rejected.items() if _is_empty(reason))
    unreadable = share * (1 - empty / max(rejected, 1))
    if unreadable > MAX_UNREADABLE_SHARE or share > MAX_EMPTY_SHARE:
        problem = f"what the columns mean: {share:.0%} of the lines can't be read; see the reasons above"
    tolerate = round(min(1.0, 2 * share), 4) if share > dataset.max_rejected else None
    buyers = any(mapped_table.bought.any() for mapped_table in mapped)
    estimated = None
    if not problem:
        estimated = estimate(
            [table.sample for table in tables],
            [mapped_table.keys for mapped_table in mapped],
            [mapped_table.seconds for mapped_table in mapped],
            [mapped_table.bought for mapped_table in mapped],
            None if gap is None else 60 * gap,
        )
    text = write_section(proposal, tolerate, estimated, buyers=buyers, complete=not problem)
    return Inspection(name, text, tables, others, no_tables, preset, mapped, estimated, gap, problem)


def read_tables(
    files: Sequence[LogFile], encoding: str | None = None
) -> tuple[list[TableProposal], list[LeftOutFile]]:
    """Return what is known of each table, and the files that are none, such as a README beside the log.

    encoding: that of texts that are not UTF-8, None if it is to be found out.

    Raises `UserError` if there is no table.
    """
    left_out: list[LeftOutFile] = []
    layouts: list[Layout] = []
    errors: list[NoTableError] = []
    tables: list[LogFile] = []
    for file in files:
        try:
            layouts.append(layout_of(file, encoding))
            tables.append(file)
        except NoTableError as error:
            errors.append(error)
            left_out.append(LeftOutFile(file, error.reason))
    proposals = []
    for group in same_table(layouts, tables):
        parts = [tables[position] for position in group]
        try:
            multiline = any(layouts[position].multiline for position in group)
            proposals.append(propose_table(parts, replace(layouts[group[0]], multiline=multiline)))
        except NoTableError as error:
            errors.append(error)
            left_out += [LeftOutFile(file, error.reason) for file in parts]
    if not proposals:
        raise UserError("\n".join(map(str, errors)))
    return proposals, left_out


def load(name: str, text: str) -> Dataset:
    """Return a data set of written settings, validated as the workflow does."""
    settings = yaml.safe_load(text)
    models = {"gradient_boosting": {}, **settings.get("models", {})}
    return parse_config({**settings, "models": models}).datasets[name]


def missing(tables: Sequence[TableProposal]) -> str:
    """Return what must be filled in before the workflow can run, an empty text if nothing."""
    needs = []
    for table in tables:
        place = f" of {table.files[0].label}" if len(tables) > 1 else ""
        if not table.has_time:
            unread = "" if table.roles.time.others else f" ({no_times(table)})"
            needs.append(f"the time{place}{unread}")
        if not table.has_key:
            needs.append(f"the session or visitor{place}")
        if not table.has_event:
            needs.append(f"what each line{place} is: a view, a purchase, or the column that says it")
        elif table.lacks_purchases and table.words.maybe:
            needs.append(f"the word for a purchase{place}")
    if apart := no_common_key(tables):
        needs.append(apart)
    return "; ".join(dict.fromkeys(needs))


def _is_empty(reason: str) -> bool:
    """Return whether lines are rejected because a column is empty in them, which is no misreading."""
    return reason.endswith(" is empty")


def _map(tables: Sequence[TableProposal], dataset: Dataset, preset: Preset | None) -> list[Mapped]:
    if preset is not None and preset.format.tables is None:
        roles = {role.name: role for role in preset.format.roles}
        return [map_role(table.sample, roles[name]) for name, table in preset.tables.items()]
    assert dataset.table is not None
    names = list(preset.tables) if preset is not None else [table.name for table in tables]
    mapped = []
    for name, table in zip(names, tables, strict=True):
        spec = dataset.table[name]
        if table.sample.explode != spec.explode:
            table.sample = read_sample(table.files, table.layout, spec.explode, spec.list_separator)
        mapped.append(map_table(table.sample, spec, dataset.sessions.by))
    return mapped
