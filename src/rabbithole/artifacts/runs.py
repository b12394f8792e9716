"""The history of a results folder: one line of runs.jsonl for each finished run."""

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.artifacts.evaluation import AucInterval


class RunFigures(Record):
    """The headline figures of one training on a data set. scores: name of the kept copy of its scores."""

    dataset: str
    model: str
    seed: int
    auc: AucInterval | None
    average_precision: float | None
    log_loss: float
    scores: str


class TextFigures(Record):
    """The headline figure of a text model."""

    model: str
    bits_per_character: float


class SettingChange(Record):
    """A setting that differs from the run before; old, new: as JSON, None where the key is not there."""

    key: str
    old: str | None
    new: str | None


class FinishedRun(Artifact):
    """A finished run. settings: all settings by dotted key, as JSON; digest: of them; seconds: wall time.

    number: counts the runs of the folder from 1; time: of the end, ISO 8601, UTC; rabbithole: its version;
    changes: settings that differ from the run before.
    """

    kind = "finished run"
    rule = "all"

    number: int
    time: str
    rabbithole: str
    seconds: float
    digest: str
    settings: dict[str, str]
    changes: list[SettingChange]
    figures: list[RunFigures]
    texts: list[TextFigures]
