"""The runs of a results folder, one line of runs.jsonl each, and the digests of the files that they read."""

from pydantic import Field

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.artifacts.evaluation import DIGITS, AucInterval, MeanInterval


class RunFigures(Record):
    """The headline figures of one set of scores on a data set, such as those of "gru seed 0".

    valid_auc: on valid, by which models are chosen. sessions, scores: digests that name the kept copies of
    the ended test sessions and of their scores; None where the scores were deleted before the run.
    """

    dataset: str
    run: str
    auc: AucInterval | None
    valid_auc: float | None
    average_precision: float | None
    log_loss: float
    sessions: str | None
    scores: str | None


class NextEventFigures(Record):
    """The cross-entropy (nats) of one model's next-event predictions on a data set.

    valid_event: on valid, by which models are chosen.
    """

    dataset: str
    run: str
    event: MeanInterval
    category: MeanInterval | None
    valid_event: float | None


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
    """A line of runs.jsonl: a finished run, and the figures of all that it made or found up to date.

    time: of the end, ISO 8601, UTC; rabbithole: its version; seconds: wall time; targets: rules and files;
    settings: all that can change a result, by dotted key, as JSON; digest: of them; changes: settings that
    differ from the run before.
    """

    kind = "finished run"
    rule = "all"
    digits = DIGITS

    time: str
    rabbithole: str
    seconds: float
    targets: list[str]
    datasets: list[str]
    models: list[str]
    digest: str
    settings: dict[str, str]
    changes: list[SettingChange]
    figures: list[RunFigures]
    next_events: list[NextEventFigures]
    texts: list[TextFigures]


class FileFingerprint(Record):
    """What shows whether a file is still the same, and the sha256 of its content.

    size: in bytes; modified, changed: the times of its last change, of the content and of anything, in
    nanoseconds (copying tools set the first back, and cannot set the second); inode: its number on the disk.
    """

    size: int
    modified: int
    changed: int
    inode: int
    sha256: str


class Fingerprints(Artifact):
    """fingerprints.json: the digests of the user's files, by absolute path.

    logs: digests of what servers last reported on logs at addresses, by the digest of the settings' source.
    """

    kind = "fingerprints"
    version = 2
    rule = "events"

    files: dict[str, FileFingerprint]
    logs: dict[str, str] = Field(default_factory=dict)
