"""The leak checks of every run: did anything of valid, of test or of the future reach train?"""

from pathlib import Path

from rabbithole.artifacts.data import (
    EncoderFile,
    EventsManifest,
    LeakChecks,
    SessionsManifest,
    WindowsManifest,
)
from rabbithole.checks.split_checks import (
    check_minimum_events,
    check_session_ids,
    check_split_order,
    check_visitors,
    check_window_sessions,
    read_sessions,
)
from rabbithole.checks.time_checks import (
    check_dwell,
    check_first_cart,
    check_known_values,
    check_open_sessions,
    check_purchases,
)
from rabbithole.checks.window_checks import (
    check_event_vocabulary,
    check_left_out_fields,
    check_normalisation,
    check_vocabularies,
)


def check_leaks(*, events: Path, sessions: Path, windows: Path, output: Path) -> None:
    """Check the events, sessions and windows of a data set; write checks.json.

    A check that fails does not stop the run: the report shows it.
    """
    log, cut, encoded = EventsManifest.of(events), SessionsManifest.of(sessions), WindowsManifest.of(windows)
    encoder, table = EncoderFile.read(windows / "encoder.json"), read_sessions(sessions)
    price_history = None if cut.price_history is None else sessions / cut.price_history
    cost_history = None if log.cost_history is None else events / log.cost_history
    category_history = None if log.category_history is None else events / log.category_history
    checks = [
        check_session_ids(table),
        check_visitors(table, cut.split_by),
        *check_split_order(table, cut.split_by),
        check_window_sessions(table, windows, keep_open=encoded.keep_open),
        check_vocabularies(windows, encoder),
        check_normalisation(windows),
        check_event_vocabulary(encoder),
        check_purchases(events, sessions, cut.by),
        check_open_sessions(events, sessions, cut.open_minutes),
        *check_dwell(sessions, windows, encoded.fields),
        *check_left_out_fields(windows, encoded.fields),
        *check_minimum_events(table, cut.minimum_events),
        *check_first_cart(sessions, windows, encoder, cut.until),
        *check_known_values(
            sessions, category=category_history, cost=cost_history, purchase_price=price_history
        ),
    ]
    LeakChecks(checks=checks).write(output)
