"""The one factory of test data: specs, and events, sessions, windows and scores as files."""

from factories.manifests import NO_FIELDS, Row, events_manifest, sessions_manifest, windows_manifest
from factories.metrics import run_metrics
from factories.scores import write_scores, write_scores_table
from factories.steps import (
    ANY_PURPOSE,
    BEGIN,
    BY_HASH,
    BY_TIME,
    EVENT_SCHEMA,
    build,
    build_sessions,
    event,
    events_spec,
    filler_events,
    session,
    sessions_spec,
    windows_spec,
    write_events,
    write_sessions,
)
from factories.training import network_settings, network_training, train_spec
from factories.windows import NETWORK_SIZES, SIZES, WINDOW_SCHEMA, random_windows, window, write_windows

__all__ = [
    "ANY_PURPOSE",
    "BEGIN",
    "BY_HASH",
    "BY_TIME",
    "EVENT_SCHEMA",
    "NETWORK_SIZES",
    "NO_FIELDS",
    "SIZES",
    "WINDOW_SCHEMA",
    "Row",
    "build",
    "build_sessions",
    "event",
    "events_manifest",
    "events_spec",
    "filler_events",
    "network_settings",
    "network_training",
    "random_windows",
    "run_metrics",
    "session",
    "sessions_manifest",
    "sessions_spec",
    "train_spec",
    "window",
    "windows_manifest",
    "windows_spec",
    "write_events",
    "write_scores",
    "write_scores_table",
    "write_sessions",
    "write_windows",
]
