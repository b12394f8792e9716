"""A packaged model at work: the same scores as in test, as a whole log, event by event, and over HTTP."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from rabbithole import Model
from rabbithole.artifacts.data import EventsManifest
from rabbithole.artifacts.serving import ModelManifest, PredictionSummary
from rabbithole.cli import app
from rabbithole.errors import UserError
from rabbithole.serving.folder import load_folder
from rabbithole.serving.guard import Limits
from rabbithole.serving.server import make_app
from rabbithole.serving.sessions import PredictionCounts
from rabbithole.serving.stream import MAX_LINE_BYTES, LiveScore, Refusal, SessionStream
from rabbithole.serving.summary import summarise

pytestmark = pytest.mark.workflow

SHOPS = ("yoochoose", "retailrocket")


def events_of(results: Path, shop: str) -> pa.Table:
    """Return the events of a shop in the order of time."""
    parts = sorted((results / shop / "events").glob("part-*.parquet"))
    table = pa.concat_tables(pq.read_table(part) for part in parts)
    return table.sort_by([("timestamp", "ascending"), ("position", "ascending")])


def json_events(events: pa.Table) -> list[bytes]:
    """Return events as JSON lines."""
    rows = events.drop_columns(["position"]).to_pylist()
    return [
        json.dumps({name: value for name, value in row.items() if value is not None}, default=str).encode()
        for row in rows
    ]


def view(session: str, second: int, item: str = "1") -> bytes:
    """Return a view as a JSON line."""
    return json.dumps(
        {"session_id": session, "timestamp": f"2014-09-01T10:00:{second:02}Z", "item": item}
    ).encode()


@pytest.mark.parametrize("shop", SHOPS)
def test_a_log_gets_the_scores_of_test(finished: Path, tmp_path: Path, shop: str) -> None:
    results, output = finished / "results", tmp_path / "scores.parquet"
    command = ["predict", str(results / shop / "model"), str(results / shop / "raw"), "-o", str(output)]
    done = CliRunner().invoke(app, [*command, "--top", "5%", "--threads", "2"])
    assert done.exit_code == 0, done.output
    manifest = ModelManifest.read(results / shop / "model" / "manifest.json")
    run = results / shop / manifest.model / f"seed-{manifest.seed}"
    test = pq.read_table(run / "scores.parquet", filters=[("split", "=", "test"), ("steps", "=", 0)])
    rows = pq.read_table(output)
    scores = dict(zip(rows["session_id"].to_pylist(), rows["probability"].to_pylist(), strict=True))
    assert [scores[name] for name in test["session_id"].to_pylist()] == test["score"].to_pylist()
    summary = PredictionSummary.read(output.with_name("scores.parquet.json"))
    assert summary.sessions == len(rows) and summary.rejected == 0
    assert {"contact", "hold_out"} >= set(rows["audience"].drop_null().to_pylist()) > set()
    ended = rows.filter(pa.compute.equal(rows["state"], "ended"))
    assert np.all(np.diff(ended.sort_by("probability")["percentile"].to_numpy()) >= 0)


def test_a_log_without_a_column_is_scored_with_a_warning(finished: Path, tmp_path: Path) -> None:
    shop, clicks, output = finished / "results/yoochoose", tmp_path / "clicks.dat", tmp_path / "scores.csv"
    lines = (shop / "raw/yoochoose-clicks.dat").read_text().splitlines()[:500]
    clicks.write_text("".join(line.rpartition(",")[0] + "\n" for line in lines) + "bad\n" * 10)
    command = ["predict", str(shop / "model"), f"clicks={clicks}", "-o", str(output), "--threads", "2"]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, UserError) and "--max-rejected" in str(refused.exception)
    done = CliRunner().invoke(app, [*command, "--max-rejected", "0.1"])
    assert done.exit_code == 0, done.output
    summary = PredictionSummary.read(output.with_name("scores.csv.json"))
    assert summary.events == 500 and summary.rejected == 10
    assert summary.warnings[0] == f"{clicks} has no column 'category': its 500 events are scored without."
    assert summary.shares["category"].missing == 1


def test_unknown_kinds_of_events_are_counted_with_a_warning(finished: Path) -> None:
    shop = finished / "results/retailrocket"
    log = EventsManifest.of(shop / "events")
    kinds = log.events | {f"kind {number}": number for number in range(1, 8)}
    odd = log.model_copy(update={"events": kinds})
    folder = load_folder(shop / "model")
    (warning,) = set(summarise(folder, odd, PredictionCounts()).warnings) - set(
        summarise(folder, log, PredictionCounts()).warnings
    )
    assert "28 events of a kind that is unknown" in warning
    assert "'kind 7' (7), " in warning and "and 2 more" in warning
    table = pa.table({"session_id": ["a"], "timestamp": ["2014-09-01T10:00:00"], "event": ["purchase"]})
    with pytest.warns(UserWarning, match=r"unknown to the model: 'purchase' \(1\)"):
        Model(folder).predict(table)


def test_a_model_of_ones_own_choice_is_packaged(finished: Path, tmp_path: Path) -> None:
    shop, output = finished / "results/yoochoose", tmp_path / "trees"
    command = ["package", str(shop), "-o", str(output), "--model"]
    done = CliRunner().invoke(app, [*command, "gradient_boosting", "--seed", "0"])
    assert done.exit_code == 0, done.output
    manifest = load_folder(output).manifest
    assert (manifest.model, manifest.seed) == ("gradient_boosting", 0)
    assert manifest.threshold is not None
    # Programs that copy folders may leave out hidden files.
    assert not [name for name in manifest.files if "/." in name]
    for arguments, words in (
        ([*command, "gradient_boosting"], "exists already"),
        ([*command[:3], str(tmp_path / "new"), "--model", "none"], "No such model was trained"),
        (["package", str(tmp_path), "-o", str(tmp_path / "new")], "no finished run"),
    ):
        refused = CliRunner().invoke(app, arguments)
        assert isinstance(refused.exception, UserError) and words in str(refused.exception)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("shop", SHOPS)
def test_a_stream_gives_the_scores_of_a_whole_log(finished: Path, shop: str) -> None:
    folder, events = finished / "results" / shop / "model", events_of(finished / "results", shop)
    expected = Model.load(folder).predict(events, running=True)
    stream = SessionStream(load_folder(folder))
    # The sessions of a whole log never end in memory, so that the last answer of each can be compared.
    stream.horizon = float("inf")
    last: dict[str, LiveScore] = {}
    lines = json_events(events)
    for start in range(0, len(lines), 500):
        for answer in stream.process(lines[start : start + 500]):
            if isinstance(answer, LiveScore) and answer.state == "running":
                last[answer.session] = answer
    rows = {row["session_id"]: row for row in expected.to_pylist()}
    assert set(last) == set(rows)
    assert max(answer.events for answer in last.values()) > stream.window, "some are longer than the window"
    for name, answer in last.items():
        assert answer.events == rows[name]["events"]
        assert answer.probability == pytest.approx(rows[name]["probability"], abs=1e-6)


def test_a_stream_survives_late_repeated_and_unreadable_events(finished: Path) -> None:
    stream = SessionStream(load_folder(finished / "results" / "yoochoose" / "model"))
    lines = [view("a", 10), view("a", 5), view("a", 10), b"{", b'{"timestamp": 1}', b"[1]", view("a", 11)]
    answers = stream.process(lines)
    kinds = [
        answer.error.split(":")[0] if isinstance(answer, Refusal) else answer.events for answer in answers
    ]
    assert kinds == [1, "late", "repeated", "unreadable", "unreadable", "unreadable", 2]
    assert stream.counts["unreadable"] == 3


def test_a_stream_counts_what_the_model_does_not_know(
    finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = SessionStream(load_folder(finished / "results/yoochoose/model"))
    odd = [view("a", second).replace(b"}", b', "event": "purchase"}') for second in (1, 2)]
    answers = stream.process([view("a", 0, "no such item"), *odd, view("b", 0).ljust(MAX_LINE_BYTES + 1)])
    assert [isinstance(answer, LiveScore) for answer in answers] == [True, True, True, False]
    assert stream.counts["unknown event"] == 2 and stream.counts["unknown item"] >= 1
    assert [record.message for record in caplog.records if "no event 'purchase'" in record.message]
    assert len(caplog.records) == 1
    assert isinstance(answers[-1], Refusal) and "longer than 1,048,576 bytes" in answers[-1].error


HOSTILE = (
    b"[" * 100_000,
    b'{"session_id": "\xff"}',
    view("a", 0, "\ud800"),
    view("a", 0).replace(b"2014-09-01T10:00:00Z", b"9999-12-31T23:59:59-23:59"),
    view("a", 0).replace(b"2014-09-01T10:00:00Z", b"0001-01-01T00:00:00+23:59"),
    view("a", 0).replace(b'"1"', b"9" * 5000),
    view("a", 0).replace(b'"2014-09-01T10:00:00Z"', b"NaN"),
    view("a", 0).replace(b'"1"', b'{"more": [1]}'),
)


def test_a_stream_refuses_hostile_lines_and_one_from_the_future(finished: Path) -> None:
    stream = SessionStream(load_folder(finished / "results/yoochoose/model"))
    odd = view("b", 0).replace(b"}", b', "cost": NaN, "further": %s, "more": {"a": [1]}}' % (b"9" * 400))
    answers = stream.process([view("a", 0), *HOSTILE, view("a", 1).replace(b"2014", b"2098"), odd])
    assert [isinstance(answer, Refusal) for answer in answers] == [False] + [True] * 9 + [False]
    assert stream.counts["unreadable"] == 8 and stream.counts["future"] == 1
    # The open session is still there.
    (last,) = stream.process([view("a", 2)])
    assert isinstance(last, LiveScore) and last.events == 2


def test_an_event_from_ahead_of_the_clock_ends_no_other_session(finished: Path) -> None:
    stream = SessionStream(load_folder(finished / "results/yoochoose/model"))
    seconds = time.time()
    lines = [
        json.dumps({"session_id": session, "timestamp": (seconds + ahead) * 1000, "event": "view"}).encode()
        for session, ahead in (("a", -60), ("b", 20 * 3600), ("a", -30), ("a\n", -20))
    ]
    answers = [answer for answer in stream.process(lines) if isinstance(answer, LiveScore)]
    assert [(answer.session, answer.events) for answer in answers] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a\n", 1),
    ]


def test_the_server_answers_hostile_requests(finished: Path) -> None:
    limits = Limits(body_bytes=1_000_000, requests_per_second=None, sessions=10)
    with TestClient(make_app({"shop": finished / "results/yoochoose/model"}, limits)) as client:
        for line in HOSTILE:
            for path, body in (
                ("events", b"[%s]" % line),
                ("session", b'{"events": [%s]}' % line),
                ("sessions", b'[{"events": [%s]}]' % line),
            ):
                assert client.post(f"/models/shop/{path}", content=body).status_code == 422, (path, line[:80])


def test_idle_sessions_leave_memory(finished: Path) -> None:
    stream = SessionStream(load_folder(finished / "results" / "yoochoose" / "model"), max_sessions=50)
    stream.process([view(f"s{number}", 0) for number in range(80)])
    assert len(stream.sessions) == 50 and stream.counts["forgotten"] == 30
    late = json.dumps({"session_id": "z", "timestamp": "2014-09-02T10:00:00Z"}).encode()
    stream.process([late])
    assert list(stream.sessions) == ["z"]


def test_a_damaged_or_unknown_model_is_refused_by_name(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(finished / "results" / "yoochoose" / "model", folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 99}), "utf-8")
    with pytest.raises(UserError, match="version"):
        load_folder(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    encoder = folder / "checkpoint" / "encoder.json"
    encoder.write_bytes(encoder.read_bytes() + b" ")
    with pytest.raises(UserError, match=r"encoder\.json has changed"):
        load_folder(folder)


def test_the_server_scores_events_and_sessions_within_its_limits(finished: Path) -> None:
    folder = finished / "results" / "yoochoose" / "model"
    limits = Limits(body_bytes=2000, requests_per_second=None, sessions=100)
    with TestClient(make_app({"shop": folder}, limits)) as client:
        events = [json.loads(view("a", second)) for second in (1, 2, 3)]
        running = client.post("/models/shop/events", json=events).json()
        whole = client.post("/models/shop/session", json={"events": events}).json()
        assert [answer["events"] for answer in running] == [1, 2, 3]
        assert running[-1]["probability"] == pytest.approx(whole["probability"], abs=1e-6)
        assert client.post("/models/shop/events", json=[{}]).status_code == 422
        assert client.post("/models/other/session", json={"events": events}).status_code == 404
        assert client.post("/models/shop/events", content=b" " * 3000).status_code == 413
        form = client.post("/models/shop/events", content=b"[]", headers={"Content-Type": "text/plain"})
        assert form.status_code == 415 and "Content-Type: application/json" in form.json()["detail"]
        assert client.get("/ready").json()[0]["sessions_held"] == 1
        metrics = client.get("/metrics").text
        assert 'rabbithole_events_total{model="shop"} 3.0' in metrics
        assert 'rabbithole_event_kinds_total{kind="running",model="shop"} 3.0' in metrics
        assert all(f'status="{status}"' in metrics for status in ("200", "413", "415", "422"))
        assert client.get("/openapi.json").json()["info"]["title"] == "Rabbithole"


def test_the_server_refuses_more_requests_than_its_rate(finished: Path) -> None:
    folder = finished / "results" / "yoochoose" / "model"
    limits = Limits(body_bytes=2000, requests_per_second=1, sessions=100)
    with TestClient(make_app({"shop": folder}, limits)) as client:
        codes = [client.post("/models/shop/events", json=[]).status_code for _ in range(3)]
    assert codes[0] == 200 and 429 in codes[1:]
