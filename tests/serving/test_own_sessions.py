"""Overlapping sessions of a log's own give the same scores in test, as a log and as a stream."""

import json
from pathlib import Path

import factories
import numpy as np
import pyarrow.parquet as pq
import pytest
from factories import BY_HASH
from serving.trained import train_and_package

from rabbithole import Model
from rabbithole.artifacts.checks import LeakChecks
from rabbithole.checks.leak_checks import check_leaks
from rabbithole.config.datasets import Dataset
from rabbithole.serving.folder import load_folder
from rabbithole.serving.live_encoder import LiveEvent
from rabbithole.serving.predict import predict
from rabbithole.serving.stream import LiveScore, SessionStream
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

MODELS = ("gru", "gradient_boosting")
LENGTH = 4
BEGIN = np.datetime64("2020-01-01T00:00:00")
HEADER = "event_time,event_type,product_id,category_code,brand,price,user_id,user_session"


def raw_log() -> str:
    """Return events of visitors with up to five sessions, of which some run side by side."""
    rng, rows = np.random.default_rng(0), []
    for visitor in range(200):
        begin = int(rng.integers(60 * 86_400))
        for number in range(int(rng.integers(1, 6))):
            buyer = (visitor + number) % 3 == 0
            second = begin + int(rng.integers(3600 if number % 2 else 3 * 86_400))
            kinds = ["view"] * int(rng.integers(1, 8)) + ["cart", "purchase", "view"] * buyer
            for kind in kinds:
                item = int(rng.integers(6)) + 2 * buyer
                rows.append(
                    (second, kind, item, f"{item % 2}.{item}", "x", 9.5, visitor, f"{visitor}-{number}")
                )
                second += int(rng.integers(1, 900))
    lines = [
        f"{str(BEGIN + np.timedelta64(second, 's')).replace('T', ' ')} UTC,{','.join(map(str, values))}\n"
        for second, *values in sorted(rows)
    ]
    return f"{HEADER}\n{''.join(lines)}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return a folder with a log's steps up to the model folder of each model."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "raw").mkdir()
    (folder / "raw/2020-Jan.csv").write_text(raw_log())
    log = Dataset.model_validate({"format": "rees46", "source": str(folder / "raw")})
    train_and_package(
        folder,
        spark,
        events=factories.events_spec("rees46", folder / "raw", table=log.table_log),
        sessions=factories.sessions_spec(by="session", split=BY_HASH, history=LENGTH),
        windows=factories.windows_spec(length=LENGTH),
        models=MODELS,
    )
    return folder


def test_sessions_of_one_visitor_see_each_other(run: Path) -> None:
    """Other parts than those of the events hold them."""
    events = pq.read_table(run / "events").to_pylist()
    sessions = pq.read_table(run / "sessions").to_pylist()
    assert len(sessions) > 400
    overlapping = 0
    for row in sessions:
        before = [
            each["timestamp"]
            for each in events
            if each["visitor"] == row["visitor"] and each["timestamp"] < row["start"]
        ]
        assert row["timestamp"][: row["history"]] == sorted(before)[-LENGTH:]
        overlapping += any(
            other["visitor"] == row["visitor"] and other["start"] < row["start"] <= other["end"]
            for other in sessions
        )
    assert overlapping > 20


def test_the_leak_checks_hold_and_look_at_the_histories(run: Path) -> None:
    output = run / "checks.json"
    check_leaks(events=run / "events", sessions=run / "sessions", windows=run / "windows", output=output)
    details = {check.name: (check.holds, check.detail) for check in LeakChecks.read(output).checks}
    assert all(holds for holds, _ in details.values()), details
    assert not details["A visitor's history came before the session began"][1].startswith(
        "no exceptions among 0"
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_log_gets_the_scores_of_test(run: Path, tmp_path: Path, spark: SparkOptions, model: str) -> None:
    folder = load_folder(run / f"packaged-{model}")
    predict(folder, str(run / "raw"), spark=spark, output=tmp_path / "scores.parquet")
    rows = pq.read_table(tmp_path / "scores.parquet")
    scores = dict(zip(rows["session_id"].to_pylist(), rows["probability"].to_pylist(), strict=True))
    test = pq.read_table(run / model / "scores.parquet", filters=[("split", "=", "test"), ("steps", "=", 0)])
    assert [scores[name] for name in test["session_id"].to_pylist()] == test["score"].to_pylist()


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_gives_the_scores_of_a_whole_log(run: Path, model: str) -> None:
    folder = load_folder(run / f"packaged-{model}")
    events = pq.read_table(run / "events")
    events = events.sort_by([("timestamp", "ascending"), ("position", "ascending")])
    scored = Model(folder).predict(events, running=True)
    expected = {row["session_id"]: row for row in scored.to_pylist()}
    # The levels of the category follow from it.
    events = events.drop_columns(["position", "category_1", "category_2"])
    assert {"category_1", "category_2"} <= set(folder.encoder.fitted.fields.categorical)
    assert Model(folder).predict(events, running=True) == scored
    rows = events.to_pylist()
    lines = [json.dumps(row, default=str).encode() for row in rows]
    stream = SessionStream(folder)
    last: dict[str, LiveScore] = {}
    for answer in stream.process(lines):
        assert isinstance(answer, LiveScore)
        if answer.state == "running":
            last[answer.session] = answer
    assert set(last) == set(expected)
    assert len(Model(folder).predict(events.slice(0, 0))) == 0
    for name, answer in last.items():
        assert answer.events == expected[name]["events"]
        assert answer.probability == pytest.approx(expected[name]["probability"], abs=1e-6)

    whole = Model(folder).predict(events).to_pylist()
    visitors = {row["session_id"]: row["visitor"] for row in rows}
    for row in whole[:50]:
        until = [
            LiveEvent.model_validate_json(line)
            for line, event in zip(lines, rows, strict=True)
            if event["visitor"] == visitors[row["session_id"]]
            and (event["session_id"] == row["session_id"] or event["timestamp"] < row["start"])
        ]
        if until[-1].session_id == row["session_id"]:
            ((seen, probability, _),) = stream.whole.score([(until, True)])
            assert (seen, probability) == (row["events"], pytest.approx(row["probability"], abs=1e-6))
