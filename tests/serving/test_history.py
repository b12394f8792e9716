"""A model that reads earlier sessions gives the same scores in test, as a log, and as a stream."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import docs_pages
import factories
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import BY_HASH
from serving.trained import train_and_package

from rabbithole import Model
from rabbithole.artifacts.data import SessionsManifest, WindowsManifest
from rabbithole.serving import visitor_history
from rabbithole.serving.export import export
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.serving.guard import Limits
from rabbithole.serving.live_encoder import LiveEvent
from rabbithole.serving.predict import predict
from rabbithole.serving.server import ServedModel
from rabbithole.serving.stream import LiveScore, Refusal, SessionStream
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

MODELS = ("gru", "dilated_conv", "gradient_boosting", "logistic_regression", "blend")
LENGTH, GAP = 4, 30.0
BEGIN = 1_433_116_800


def raw_log() -> str:
    """Return the events of visitors who come one to four times, some for longer than a window."""
    rng, rows = np.random.default_rng(0), []
    for visitor in range(240):
        buyer = visitor % 3 == 0
        second = BEGIN + int(rng.integers(60 * 86_400))
        for _ in range(int(rng.integers(1, 5))):
            kinds = ["view"] * int(rng.integers(1, 8)) + ["addtocart", "transaction", "view"] * buyer
            for kind in kinds:
                item = int(rng.integers(6)) + 2 * buyer
                rows.append((second, visitor, kind, item))
                second += int(rng.integers(1, 90))
            second += round(GAP * 60) + int(rng.integers(1, 100_000))
    lines = [
        f"{second}000,{visitor},{kind},{item},{'1' * (kind == 'transaction')}\n"
        for second, visitor, kind, item in sorted(rows, key=lambda row: row[0])
    ]
    return "timestamp,visitorid,event,itemid,transactionid\n" + "".join(lines)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return a folder with a log's steps up to the model folder of each model, in `packaged-MODEL`."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "raw").mkdir()
    (folder / "raw/events.csv").write_text(raw_log())
    train_and_package(
        folder,
        spark,
        events=factories.events_spec("retailrocket", folder / "raw"),
        sessions=factories.sessions_spec(gap_minutes=GAP, split=BY_HASH, history=LENGTH),
        windows=factories.windows_spec(length=LENGTH),
        models=MODELS,
    )
    return folder


def packaged(run: Path, model: str) -> ModelFolder:
    """Return the model folder of a model."""
    return load_folder(run / f"packaged-{model}")


def events_of(run: Path) -> pa.Table:
    """Return the events in the order of time."""
    table = pq.read_table(run / "events")
    return table.sort_by([("timestamp", "ascending"), ("position", "ascending")])


def json_lines(events: pa.Table) -> list[bytes]:
    """Return events as JSON lines."""
    rows = events.select(["visitor", "timestamp", "event", "item"]).to_pylist()
    return [json.dumps(row, default=str).encode() for row in rows]


def sessions_of(lines: list[bytes]) -> list[str]:
    """Return the name of each event's session: the visitor and the session's number, as in a log."""
    last: dict[str, int] = {}
    number: defaultdict[str, int] = defaultdict(int)
    names = []
    for line in lines:
        event = LiveEvent.model_validate_json(line)
        visitor, time = str(event.visitor), event.microseconds()
        number[visitor] += visitor in last and time - last[visitor] > GAP * 60e6
        last[visitor] = time
        names.append(f"{visitor}-{number[visitor]}")
    return names


def test_sessions_have_histories_that_models_read(run: Path) -> None:
    assert SessionsManifest.of(run / "sessions").history == LENGTH
    manifest = WindowsManifest.of(run / "windows")
    assert manifest.history == LENGTH and "sessions_ago" in manifest.fields.names
    assert all(split.with_history for split in manifest.splits.values())
    assert all(split.cut_short for split in manifest.splits.values())


@pytest.mark.parametrize("model", MODELS)
def test_a_log_gets_the_scores_of_test(run: Path, tmp_path: Path, spark: SparkOptions, model: str) -> None:
    source = str(run / "raw")
    predict(packaged(run, model), source, spark=spark, output=tmp_path / "scores.parquet")
    rows = pq.read_table(tmp_path / "scores.parquet")
    scores = dict(zip(rows["session_id"].to_pylist(), rows["probability"].to_pylist(), strict=True))
    test = pq.read_table(run / model / "scores.parquet", filters=[("split", "=", "test"), ("steps", "=", 0)])
    assert [scores[name] for name in test["session_id"].to_pylist()] == test["score"].to_pylist()


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_gives_the_scores_of_a_whole_log(run: Path, model: str) -> None:
    folder, lines = packaged(run, model), json_lines(events_of(run))
    scored = Model(folder).predict(events_of(run), running=True)
    expected = {row["session_id"]: row for row in scored.to_pylist()}
    stream = SessionStream(folder)
    last: dict[str, LiveScore] = {}
    names = sessions_of(lines)
    for start in range(0, len(lines), 100):
        answers = stream.process(lines[start : start + 100])
        for name, answer in zip(names[start : start + 100], answers, strict=True):
            assert isinstance(answer, LiveScore)
            if answer.state == "running":
                last[name] = answer
    assert set(last) == set(expected)
    assert stream.counts["ended"] and max(answer.events for answer in last.values()) > LENGTH
    for name, answer in last.items():
        assert answer.events == expected[name]["events"]
        assert answer.probability == pytest.approx(expected[name]["probability"], abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_events_that_come_together_are_scored_as_one_by_one(run: Path, model: str) -> None:
    lines = json_lines(events_of(run))[:300]
    folder = packaged(run, model)
    alone, together = SessionStream(folder), SessionStream(folder)
    one_by_one = [answer for line in lines for answer in alone.process([line])]
    for one, other in zip(one_by_one, together.process(lines), strict=True):
        assert isinstance(one, LiveScore) and isinstance(other, LiveScore)
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_a_whole_session_may_come_with_its_history(run: Path) -> None:
    folder, lines = packaged(run, "gru"), json_lines(events_of(run))
    expected = {row["session_id"]: row for row in Model(folder).predict(events_of(run)).to_pylist()}
    by_visitor = defaultdict(list)
    for line, name in zip(lines, sessions_of(lines), strict=True):
        by_visitor[name.partition("-")[0]].append((name, LiveEvent.model_validate_json(line)))
    queries = [events for events in by_visitor.values() if events[-1][0] in expected]
    scored = SessionStream(folder).whole.score([([event for _, event in events], True) for events in queries])
    assert any(events[-1][0].endswith("-3") for events in queries)
    for events, (seen, probability, _) in zip(queries, scored, strict=True):
        row = expected[events[-1][0]]
        assert (seen, probability) == (row["events"], pytest.approx(row["probability"], abs=1e-6))


def visit(day: int, visitor: str = "a") -> bytes:
    """Return a view on a day."""
    return json.dumps({"visitor": visitor, "timestamp": f"2015-06-{day:02}T10:00:00Z", "item": "1"}).encode()


def test_a_new_model_takes_over_the_histories(run: Path) -> None:
    path = run / "packaged-gru"
    served = ServedModel("shop", path, Limits(body_bytes=1000, requests_per_second=None, sessions=100))
    served._process([visit(1)])
    served._take_over(SessionStream(load_folder(path)))
    (answer,) = served._process([visit(3)])
    alone = SessionStream(load_folder(path))
    _, expected = alone.process([visit(1), visit(3)])
    assert answer == expected
    (without,) = SessionStream(load_folder(path)).process([visit(3)])
    assert answer != without


@pytest.mark.parametrize("model", ["gru", "dilated_conv"])
def test_the_program_of_the_docs_reads_histories(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    page = docs_pages.ROOT / "docs/how-to/put-to-work.md"
    (program,) = (block for block in docs_pages.blocks(page) if block.file == "score_onnx.py")
    export(packaged(run, model), "onnx", tmp_path / "exported")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(program.text, names)
    test = pq.read_table(run / model / "scores.parquet", filters=[("split", "=", "test"), ("steps", "=", 0)])
    expected = dict(zip(test["session_id"].to_pylist(), test["score"].to_pylist(), strict=True))
    long = 0
    for session in pq.read_table(run / "sessions").to_pylist():
        if session["session_id"] in expected:
            fields = ("event", "item", "category", "cost", "sessions_ago")
            columns = [session["timestamp"], *(session[name] for name in fields)]
            events = [dict(zip(("time", *fields), row, strict=True)) for row in zip(*columns, strict=True)]
            assert names["probability"](events) == pytest.approx(expected[session["session_id"]], abs=1e-5)
            long += session["history"] == LENGTH and len(events) > 2 * LENGTH
    assert long


def test_events_older_than_a_visitor_s_history_are_late(run: Path) -> None:
    stream = SessionStream(packaged(run, "gru"))
    stream.process([visit(1), visit(5, "b")])
    (late,) = stream.process([visit(1).replace(b"10:00:00", b"09:00:00")])
    assert isinstance(late, Refusal) and late.error.startswith("late")


def test_events_that_the_settings_leave_out_change_no_answer(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelFolder, "leaves_out", lambda _, word: word == "heartbeat")
    stream = SessionStream(packaged(run, "gru"))
    beat = json.dumps({"visitor": "a", "timestamp": "2015-06-01T11:00:00Z", "event": "heartbeat"}).encode()
    _, refused, second = stream.process([visit(1), beat, visit(2)])
    assert isinstance(refused, Refusal) and refused.error.startswith("left out")
    assert second == SessionStream(packaged(run, "gru")).process([visit(1), visit(2)])[1]
    (whole,) = stream.whole.score([([LiveEvent.model_validate_json(beat)], True)])
    assert whole == (0, None, "ended")


def test_the_histories_of_visitors_are_bounded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_history, "MAX_VISITORS", 2)
    stream = SessionStream(packaged(run, "gru"))
    stream.process([visit(day, visitor) for day, visitor in enumerate("abcd", 1)])
    assert list(stream.visitors.pasts) == ["b", "c"]
    assert list(stream.sessions) == ["d"]
