"""Decides early that too many lines of a log are bad, so that it is not read to its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rabbithole.formats.base import FileRole
from rabbithole.ingest.lines import RawFile, most_lines

FEW_LINES = 100_000
"""Bad lines of a range that are read in any case: the message then gives the share of the whole log."""


@dataclass(frozen=True)
class Allowance:
    """The most bad lines that a group of files may have; a range is a part of one of them.

    share: of their lines (`max_rejected`); lines: what the number of their lines cannot exceed.
    """

    share: float
    lines: float

    @classmethod
    def of(cls, files: Iterable[RawFile], roles: Mapping[str, FileRole], share: float) -> "Allowance":
        """Return the allowance of files whose lines are counted together."""
        explodes = {name: role.table is not None and bool(role.table.explode) for name, role in roles.items()}
        return cls(share, sum(most_lines(file, explodes[file.role]) for file in files))

    def exceeded(self, rejected: int, lines: int, end: int) -> bool:
        """Return whether too many lines are bad, whatever the rest of the files holds.

        rejected, lines: of a range so far; end: the bytes of the range so far.
        """
        if rejected < FEW_LINES:
            return False
        # The lines of the range so far are known; of all else each byte may be one.
        possible = self.lines - max(0, end - lines)
        return rejected > self.share * possible
