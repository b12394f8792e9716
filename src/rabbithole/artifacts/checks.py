"""The leak checks of a run."""

from rabbithole.artifacts.base import Artifact, Record


class LeakCheck(Record):
    """One check: its claim, whether it holds, and what was counted."""

    name: str
    holds: bool
    detail: str


class LeakChecks(Artifact):
    """checks.json: the leak checks of a run."""

    kind = "leak checks"
    rule = "check_leaks"

    checks: list[LeakCheck]
