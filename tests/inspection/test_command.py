"""The command `rabbithole inspect`: settings to the standard output, words to the standard error."""

import io
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from factories.shop_logs import shop_events, write_csv
from typer.testing import CliRunner

from rabbithole.cli import main
from rabbithole.cli.app import app
from rabbithole.config.validation import parse_config

PROJECT = Path(__file__).parents[2]

COLUMNS = {
    "timestamp": lambda event: event.time.isoformat(),
    "session_id": lambda event: event.session,
    "event_type": lambda event: event.kind,
    "product_id": lambda event: event.item,
}


def test_the_settings_leave_only_the_own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "data" / "my shop.csv", COLUMNS)
    result = CliRunner().invoke(app, ["inspect", "data/my shop.csv"])
    assert result.exit_code == 0
    written = yaml.safe_load(result.stdout)
    default = yaml.safe_load((PROJECT / "config.yaml").read_text())
    merged = {key: {**default[key], **written[key]} for key in ("datasets", "models")}
    settings = parse_config({**default, **written, **merged})
    assert settings.models.keys() > {"gru", "gradient_boosting", "logistic_regression", "blend"}
    assert list(settings.datasets) == ["my-shop"] and settings.alice is None
    # The path works from the folder where the user is.
    assert settings.datasets["my-shop"].source == "data/my shop.csv"


def test_the_terminal_says_what_was_found(tmp_path: Path) -> None:
    events = shop_events(3_000)
    path = write_csv(tmp_path / "log.csv", COLUMNS, events)
    result = CliRunner().invoke(app, ["inspect", str(path)])
    said = " ".join(result.stderr.split())
    assert f"log.csv: read whole, {len(events):,} rows." in said
    buyers = sum(event.kind == "purchase" for event in events)
    assert f"Sessions with a purchase: {buyers:,} ({buyers / 3_000:.2%})." in said
    assert "95 % interval" in said
    assert max(map(len, result.stderr.split("\n"))) <= 80


@pytest.mark.parametrize(
    ("key", "hours", "says"),
    [
        ("email", 0, "orders.csv is called like a file of purchases, but it is left out"),
        ("user_id", 0, "a session or visitor that all tables name: orders.csv has user_id"),
        ("session_id", -3, "Are the times of all tables in one zone?"),
    ],
)
def test_purchases_that_follow_nothing_of_the_other_table_are_explained(
    key: str, hours: int, says: str, tmp_path: Path
) -> None:
    keys = {
        "email": lambda event: f"{event.session}@x.org",
        "user_id": lambda event: event.session[:-1],
        "session_id": lambda event: event.session,
    }
    columns = {
        "order_date": lambda event: (event.time + timedelta(hours=hours)).isoformat(),
        key: keys[key],
        "quantity": lambda event: 1 + int(event.item) % 3,
    }
    for name, kind in (("views", "view"), ("orders", "purchase")):
        events = [event for event in shop_events() if event.kind == kind]
        write_csv(tmp_path / "log" / f"{name}.csv", COLUMNS if name == "views" else columns, events)
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "log")])
    assert says in " ".join(result.stderr.split())


def test_the_settings_are_utf_8_in_any_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "log.csv", {**COLUMNS, "geschäft": lambda event: event.device})
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr("sys.argv", ["rabbithole", "inspect", str(path)])
    monkeypatch.setattr("rabbithole.cli.die_with_parent", lambda: None)
    with pytest.raises(SystemExit):
        main()
    sys.stdout.flush()
    assert "geschäft" in written.getvalue().decode()


def test_what_must_be_filled_in_ends_with_1(tmp_path: Path) -> None:
    columns = {**COLUMNS, "event_type": lambda event: event.kind.replace("purchase", "checkout")}
    result = CliRunner().invoke(app, ["inspect", str(write_csv(tmp_path / "log.csv", columns))])
    assert result.exit_code == 1
    assert "Fill in: the word for a purchase" in result.stderr
    assert "perhaps checkout" in result.stderr
    assert "# words: {cart: addtocart, checkout: transaction}" in result.stdout


def test_a_log_without_purchases_gets_the_next_event_as_target(tmp_path: Path) -> None:
    events = [event for event in shop_events() if event.kind != "purchase"]
    log = write_csv(tmp_path / "log.csv", COLUMNS, events)
    result = CliRunner().invoke(app, ["inspect", str(log)])
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["datasets"]["log"]["target"] == "next_event"
    assert "check: no word is known to mean a purchase" in result.stdout
    assert "Buyers: none. The models predict which event comes next" in " ".join(result.stderr.split())


def test_a_column_with_terminal_commands_sends_none(tmp_path: Path) -> None:
    columns = {**COLUMNS, "\x1b[2Jcolor": lambda event: f"\x1b]0;{event.brand}\x07"}
    result = CliRunner().invoke(app, ["inspect", str(write_csv(tmp_path / "log.csv", columns))])
    assert result.exit_code == 0
    assert (result.stdout + result.stderr).replace("\n", "").isprintable()


def test_a_text_that_means_no_value_is_said(tmp_path: Path) -> None:
    """All of its rows would be those of one session."""
    columns = {**COLUMNS, "session_id": lambda event: "none" if int(event.item) % 4 == 0 else event.session}
    result = CliRunner().invoke(app, ["inspect", str(write_csv(tmp_path / "log.csv", columns))])
    said = " ".join(result.stderr.split())
    assert "of the rows have the text none in session_id. It counts as one session" in said
    assert "# missing: [none]" in result.stdout


def test_ids_that_a_spreadsheet_rounded_are_said(tmp_path: Path) -> None:
    columns = {**COLUMNS, "session_id": lambda event: f"{int(event.item) % 40}.5E+18"}
    result = CliRunner().invoke(app, ["inspect", str(write_csv(tmp_path / "log.csv", columns))])
    said = " ".join(result.stderr.split())
    assert "in session_id are written like" in said and "several visitors may count as one" in said
