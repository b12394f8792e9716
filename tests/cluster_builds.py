"""Events, sessions and windows of one log, built in one Spark application of any master."""

from pathlib import Path

from factories import ANY_PURPOSE

from rabbithole.artifacts.base import Manifest
from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.ingest.build import build_events
from rabbithole.sessions.build import build_sessions
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import EventsSpec, SessionsSpec, SparkOptions, SplitSpec, WindowsSpec
from rabbithole.windows.build import build_windows

MANIFESTS: dict[str, type[Manifest]] = {
    "events": EventsManifest,
    "sessions": SessionsManifest,
    "windows": WindowsManifest,
}

SESSIONS = SessionsSpec(
    by="session",
    gap_minutes=None,
    cost="purchases",
    open_horizon_hours=1.0,
    until="purchase",
    minimum_events=1,
    sample=1.0,
    split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
    seed=0,
)

WINDOWS = WindowsSpec(
    length=100, minimum_item_count=5, fields=None, timezone="Europe/Berlin", keep_open=False
)


def build(raw: Path, folder: Path, spark: SparkOptions) -> None:
    """Build events, sessions and windows in one Spark application."""
    events, sessions = folder / "events", folder / "sessions"
    spec = EventsSpec(format="yoochoose", source=str(raw), max_rejected=0.001, drop_duplicates=True)
    with spark_session(spark, "test"):
        build_events(spec, output=events, rejected=folder / "rejected", spark=spark)
        build_sessions(SESSIONS, events=events, output=sessions, spark=spark, purpose=ANY_PURPOSE)
        build_windows(WINDOWS, sessions=sessions, output=folder / "windows", spark=spark)
