"""Validation of config.yaml, and the messages about its mistakes."""

import copy
import difflib
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from rabbithole.config.datasets import merged
from rabbithole.config.model_files import package_settings
from rabbithole.config.reference import config_reference, config_schema
from rabbithole.config.settings import Evaluation, Training
from rabbithole.config.text import Alice
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def changed(path: str, value: object) -> dict:
    """Return the default config with one value changed; path: its keys, separated by dots."""
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "parts"),
    [
        ("modles", {}, ["modles", "did you mean models?", "Allowed: alice, data_seed, datasets"]),
        (
            "datasets.yoochoose.windows.lenght",
            5,
            ["datasets.yoochoose.windows.lenght", "given 5", "mean length?"],
        ),
        ("datasets.yoochoose.windows.length", "50", ["windows.length", "given '50'", "valid integer"]),
        ("datasets.yoochoose.windows.length", 0, ["windows.length", "given 0", "greater than or equal to 1"]),
        ("datasets.yoochoose.format", "yoochose", ["yoochoose.format", "'yoochose'", "'retailrocket'"]),
        ("datasets.yoochoose.timezone", "Europe/Berln", ["timezone", "did you mean Europe/Berlin?"]),
        ("datasets.yoochoose.sessions.gap_minutes", 30, ["yoochoose.sessions", "gap_minutes needs"]),
        ("datasets.yoochoose.split.shares", [0.8, 0.1, 0.2], ["split.shares", "sum to 1, not 1.1"]),
        ("datasets.yoochoose.split.shares", [0.8, 0.1], ["split.shares", "at least 3 items"]),
        (
            "datasets.yoochoose.split",
            {"by": "folds", "shares": [0.8, 0.1, 0.1]},
            ["datasets.yoochoose.split", "shares: with `by: folds`, split.count sets them"],
        ),
        ("datasets.yoochoose.split", {"count": 4}, ["yoochoose.split", "count: needs `by: folds`"]),
        ("datasets.yoochoose.split", {"by": "folds", "count": 2}, ["split.count", "equal to 3"]),
        ("datasets.alice", CONFIG["datasets"]["yoochoose"], ["datasets.alice", "take another"]),
        ("datasets.Shop!", CONFIG["datasets"]["yoochoose"], ["datasets.Shop!", "name"]),
        ("models.gru.widht", 3, ["models.gru.widht", "did you mean width?"]),
        ("models.gru.leaves", 3, ["models.gru.leaves", "no such key"]),
        (
            "models.gru.kind",
            "network",
            ["models.gru.kind", "no such key", "Allowed: dropout, embed"],
        ),
        ("models.gru.width", 0, ["models.gru.width: given 0", "greater than or equal to 1"]),
        ("models.Mine", {"file": "mine.py"}, ["models.Mine: a name is lower-case letters"]),
        ("models.gru", 5, ["models.gru: given 5", "a section of keys"]),
        ("models.gruu", {"width": 3}, ["models.gruu", "did you mean gru?", "models/gruu.py", "`file`"]),
        ("training_seeds", [2**32], ["training_seeds.0", "4294967296"]),
        ("seeds", [0], ["seeds: this key is now called training_seeds"]),
        ("seed", 0, ["seed: this key is now called data_seed"]),
        ("datasets.yoochoose.sessions.by", "visitor", ["sessions.by", "names no visitors"]),
        (
            "datasets.yoochoose.published",
            {"figure": "x", "split": {}, "sessions": {"by": "session", "cost": "event", "untill": "x"}},
            ["published.sessions.untill", "did you mean until?"],
        ),
        ("datasets.yoochoose.sessions.until", "first_cart", ["sessions.until", "holds no carts"]),
        ("datasets.yoochoose.windows.fields", ["price"], ["windows.fields.0", "'price'", "'cost'"]),
        ("datasets.yoochoose.windows.fields", ["item", "item"], ["windows.fields", "twice"]),
        ("datasets.yoochoose.windows.history", True, ["windows.history", "needs visitors"]),
        ("datasets.yoochoose.timezone", "utc", ["timezone", "did you mean UTC?"]),
        ("datasets.yoochoose.target", "next", ["yoochoose.target", "'buyer' or 'next_event'"]),
        (
            "datasets.yoochoose",
            CONFIG["datasets"]["yoochoose"] | {"target": "next_event", "balance": "undersample"},
            ["yoochoose", "balance: must be none"],
        ),
        (
            "datasets.yoochoose",
            CONFIG["datasets"]["yoochoose"] | {"target": "next_event", "split": {"by": "folds"}},
            ["yoochoose", "split.by: must be `time` or `hash`"],
        ),
        ("datasets.yoochoose.simulate", 5, ["simulate", "given 5", "a section of keys"]),
        ("spark.master", "lokal", ["spark.master", "given 'lokal'"]),
        ("evaluation.steps", [1, 1], ["evaluation.steps", "twice"]),
        ("training.epochs", True, ["training.epochs", "given true", "integer"]),
        ("alice.models.char_gru.dropout", 1.0, ["char_gru.dropout", "given 1.0", "less than 1"]),
        ("spark.memory_mb", 10, ["spark.memory_mb", "given 10", "1000"]),
        ("datasets", None, ["datasets", "given null"]),
        ("datasets.yoochoose.timezone", "Factory", ["timezone", "not a time zone"]),
        ("datasets.yoochoose.source", "~no-such-user/a", ["source", "no user whose home"]),
        ("datasets.yoochoose.source", " ", ["yoochoose.source: must not be empty"]),
        ("datasets.yoochoose.source", {"clicks": ["http:///a"]}, ["source: an address must name a host"]),
        ("datasets.yoochoose.source", "ftp://host/a", ["source: an address must begin with s3://"]),
        ("alice.source", "http://host/my book", ["alice.source: an address can't hold ' '", "%20"]),
        ("datasets." + "a" * 230, CONFIG["datasets"]["yoochoose"], ["a name is", "at most 60"]),
        ("training.epochs", 10**30, ["training.epochs", "less than or equal to"]),
        ("models.gru.learning_rate", 1e308, ["models.gru.learning_rate", "less than or equal to"]),
        ("models.gru.learning_rate", float("nan"), ["models.gru.learning_rate", "finite"]),
        ("report.title", "", ["report.title"]),
        ("datasets.yoochoose.split.shares", [0.8, 0.1, 0.1000001], ["sum to 1, not 1.0000001"]),
        ("datasets.yoochoose.source", [None], ["yoochoose.source: given [null]"]),
        ("training.epochs", date(2024, 1, 1), ["training.epochs: given 2024-01-01"]),
        ("pathvars", {"resluts": "x"}, ["pathvars.resluts: there is no such key; known: results"]),
        ("datasets.yoochoose.source", ["a\ud800"], ["yoochoose.source.0: given", "halves of a character"]),
        ("alice.source", "a\0b", ["alice.source: given 'a\\x00b'", "without NUL"]),
    ],
)
def test_the_message_about_a_wrong_setting_names_its_key_and_what_is_allowed(
    path: str, value: object, parts: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        parse_config(changed(path, value))
    for part in parts:
        assert part in str(error.value)


def test_how_many_sessions_ago_an_event_was_is_a_field_only_with_history() -> None:
    shop = {"format": "retailrocket", "source": "simulate", "sessions": {"gap_minutes": 30}}
    for history in (True, False):
        windows = {"fields": ["event", "sessions_ago"], "history": history}
        config = changed("datasets.shop", shop | {"windows": windows})
        if history:
            assert parse_config(config).datasets["shop"].windows.fields == ["event", "sessions_ago"]
        else:
            with pytest.raises(UserError, match="no field 'sessions_ago'"):
                parse_config(config)


def test_a_number_in_scientific_notation_needs_no_point() -> None:
    config = changed("training.checkpoint_minutes", "1e-3")
    config["models"]["gru"]["learning_rate"] = "2E-4"
    config["datasets"]["yoochoose"]["split"] = {"shares": ["8e-1", 0.1, "1e-1"]}
    config["report"]["title"] = "1e5"
    config["training"]["batch_size"] = "1e3"
    settings = parse_config(config)
    assert settings.training.checkpoint_minutes == 0.001
    assert settings.models["gru"].learning_rate == 2e-4
    assert settings.datasets["yoochoose"].split.shares == [0.8, 0.1, 0.1]
    assert settings.report.title == "1e5"
    assert settings.training.batch_size == 1000
    with pytest.raises(UserError, match="batch_size: given '1e-3', allowed: a valid integer"):
        parse_config(changed("training.batch_size", "1e-3"))


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    source = {"clicks": "~/a.dat", "buys": ["b~", "~/b.dat"]}
    parsed = parse_config(changed("datasets.yoochoose.source", source)).datasets["yoochoose"].source
    assert parsed == {"clicks": "/home/alice/a.dat", "buys": ["b~", "/home/alice/b.dat"]}


def test_all_mistakes_are_reported_at_once() -> None:
    config = changed("data_seed", -1)
    config["report"] = {"titel": "x"}
    with pytest.raises(UserError) as error:
        parse_config(config)
    assert "data_seed" in str(error.value)
    assert "report.titel" in str(error.value)


def test_of_thousands_of_mistakes_some_are_shown() -> None:
    with pytest.raises(UserError, match=r"and 2,960 more$") as error:
        parse_config(changed("evaluation.steps", ["x"] * 3000))
    assert len(str(error.value)) < 5000


def test_a_third_data_set_takes_any_name() -> None:
    settings = parse_config(changed("datasets.my-shop_2", CONFIG["datasets"]["yoochoose"]))
    assert list(settings.datasets) == ["yoochoose", "retailrocket", "my-shop_2"]


def test_every_overlay_is_valid_over_the_default_config() -> None:
    overlays = sorted((ROOT / "config").glob("**/*.yaml"))
    assert overlays
    for overlay in overlays:
        parse_config(merged(CONFIG, yaml.safe_load(overlay.read_text("utf-8"))))


@pytest.mark.parametrize("protocol", ["a", "b", "d", "e", "f"])
def test_a_published_figure_is_shown_only_for_a_real_log_under_its_own_protocol(protocol: str) -> None:
    overlay = (ROOT / f"config/protocols/{protocol}.yaml").read_text("utf-8")
    config = merged(CONFIG, yaml.safe_load(overlay))
    (dataset,) = parse_config(config).datasets.values()
    assert dataset.published is not None
    assert dataset.published_figure == dataset.published.figure
    (name,) = parse_config(config).datasets
    for change in (
        {"source": "simulate"},
        {"split": {"shares": [0.5, 0.25, 0.25]}},
        {"sessions": {"minimum_events": 2}},
        {"windows": {"fields": ["item", "dwell"]}},
        {"windows": {"length": 1}},
        {"balance": "undersample"},
    ):
        (other,) = parse_config(merged(config, {"datasets": {name: change}})).datasets.values()
        assert other.published_figure is None


def test_the_reference_is_up_to_date_and_describes_every_key() -> None:
    """docs/reference/config.md lists every key with its default and its effect."""
    reference = (ROOT / "docs/reference/config.md").read_text("utf-8")
    assert reference == config_reference(), "run `make reference`"
    for name, section in config_schema()["$defs"].items():
        for key, facts in section["properties"].items():
            assert f"`{key}`" in reference or "$ref" in facts, f"{name}.{key}"
    rows = [line.split(" | ") for line in reference.splitlines() if line.startswith("| `")]
    assert all(len(row) == 3 or row[3].strip(" |") for row in rows)


def test_every_key_of_the_default_config_is_in_the_reference() -> None:
    reference = (ROOT / "docs/reference/config.md").read_text("utf-8")

    def keys(value: object) -> set[str]:
        if not isinstance(value, dict):
            return set()
        return set(value).union(*(keys(section) for section in value.values()))

    names = {*CONFIG["datasets"], *CONFIG["models"]}
    sections = {"datasets", "models", "training", "evaluation", "alice", "report", "spark", "simulate"}
    for key in keys(CONFIG) - names - sections:
        assert f"`{key}`" in reference, key


def test_the_schema_is_up_to_date() -> None:
    path = ROOT / "workflow/schemas/config.schema.json"
    written, current = path.read_text("utf-8"), json.dumps(config_schema(), indent=2) + "\n"
    difference = "\n".join(
        difflib.unified_diff(written.splitlines(), current.splitlines(), "written", "current", lineterm="")
    )
    assert written == current, f"run `make schema`:\n{difference}"


def test_a_data_set_or_model_set_to_null_is_omitted() -> None:
    assert list(parse_config(changed("datasets.yoochoose", None)).datasets) == ["retailrocket"]
    assert "gru" not in parse_config(changed("models.gru", None)).models


def test_only_unchanged_simulated_sessions_have_an_oracle() -> None:
    assert parse_config(CONFIG).datasets["retailrocket"].has_oracle
    assert (
        not parse_config(changed("datasets.retailrocket.sessions.gap_minutes", 30))
        .datasets["retailrocket"]
        .has_oracle
    )
    for key, value in (("until", "first_cart"), ("minimum_events", 2)):
        other = parse_config(changed(f"datasets.retailrocket.sessions.{key}", value))
        assert not other.datasets["retailrocket"].has_oracle
    for key, value in (("source", "data/x"), ("drop_duplicates", False)):
        other = parse_config(changed(f"datasets.retailrocket.{key}", value))
        assert not other.datasets["retailrocket"].has_oracle


def test_the_default_config_changes_no_default() -> None:
    """A user who omits a key of config.yaml gets the value that config.yaml shows."""
    settings = parse_config(CONFIG)
    assert settings.training == Training()
    assert settings.evaluation == Evaluation()
    assert list(settings.models) == ["gru", "dilated_conv", "gradient_boosting"]
    for name, model in settings.models.items():
        assert model == package_settings(name)()
    assert settings.alice == Alice()


@pytest.mark.parametrize(
    ("models", "part"),
    [
        ({"blend": {}}, "there are none. Name more, or leave blend out"),
        ({"blend": {}, "gru": {}}, "there is gru. Name more, or leave blend out"),
    ],
)
def test_a_blend_needs_two_other_models(models: dict[str, dict], part: str) -> None:
    datasets = {"shop": {"format": "yoochoose"}}
    with pytest.raises(UserError) as error:
        parse_config({"datasets": datasets, "models": models})
    assert "models.blend: it combines the other models" in str(error.value) and part in str(error.value)
    both = parse_config({"datasets": datasets, "models": {**models, "lstm": {}, "gru": {}}})
    assert both.models["blend"].model_dump() == {}


def test_a_format_sets_defaults_that_a_user_can_override() -> None:
    retailrocket = parse_config(CONFIG).datasets["retailrocket"]
    assert (retailrocket.sessions.by, retailrocket.timezone) == ("visitor", "America/Chicago")
    other = parse_config(changed("datasets.retailrocket.timezone", "UTC")).datasets["retailrocket"]
    assert (other.sessions.by, other.timezone) == ("visitor", "UTC")
