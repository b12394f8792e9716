"""The leak checks of every run: did anything of valid, of test or of the future reach train?"""

from pathlib import Path

from rabbithole.artifacts.data import (
    EncoderFile,
    EventsManifest,
    LeakChecks,
    SessionsManifest,
    WindowsManifest,
)
from rabbithole.checks import split_checks, time_checks, window_checks


def check_leaks(*, events: Path, sessions: Path, windows: Path, output: Path) -> None:
    """Check the events, sessions and windows of a data set; write checks.json.

    A check that fails does not stop the run: the report shows it.
    """
    log, manifest = EventsManifest.of(events), SessionsManifest.of(sessions)
    encoded, encoder = WindowsManifest.of(windows), EncoderFile.read(windows / "encoder.json")
    table = split_checks.read_sessions(sessions)
    checks = [
        split_checks.session_ids(table),
        split_checks.visitors(table, manifest.split_by),
        *split_checks.split_order(table, manifest.split_by),
        split_checks.window_sessions(table, windows, keep_open=encoded.keep_open),
        window_checks.vocabularies(windows, encoder),
        window_checks.normalisation(windows),
        window_checks.event_vocabulary(encoder),
        time_checks.purchases(events, sessions, manifest.by),
        time_checks.open_sessions(events, sessions, manifest.open_minutes),
        *time_checks.dwell(sessions, windows, encoded.fields),
        *window_checks.left_out_fields(windows, encoded.fields),
        *split_checks.minimum_events(table, manifest.minimum_events),
        *time_checks.first_cart(sessions, windows, encoder, manifest.until),
        *time_checks.known_values(
            sessions,
            category=side_table(events, log.category_history),
            cost=side_table(events, log.cost_history),
            purchase_price=side_table(sessions, manifest.price_history),
        ),
    ]
    LeakChecks(checks=checks).write(output)


def side_table(folder: Path, name: str | None) -> Path | None:
    """Return the path of a side table that a manifest names, None if there is none."""
    return None if name is None else folder / name
