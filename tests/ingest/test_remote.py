"""A log at addresses gives the events that its local files would give."""

import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from raw_logs import CLICKS, read

from rabbithole.config.datasets import Dataset
from rabbithole.errors import UserError
from rabbithole.ingest import remote
from rabbithole.ingest.build import build_events
from rabbithole.ingest.remote import local_files
from rabbithole.specs.data import EventsSpec, SparkOptions, TableLog
from rabbithole.workflow.raw_files import raw_files

BUYS = "1,2014-04-07T10:54:09.868Z,5,0,2\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a folder with a log."""
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "yoochoose-clicks.dat").write_text(CLICKS)
    (folder / "yoochoose-buys.dat").write_text(BUYS)
    return folder


EMPTY_LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"


class Files(SimpleHTTPRequestHandler):
    """Serves files by HTTP, and as much of S3 as reading them needs: the first folder is the bucket."""

    refusing = False

    def do_HEAD(self) -> None:
        """Say what a file is, or that nobody may know."""
        if self.refusing:
            self.send_error(403)
        else:
            super().do_HEAD()

    def do_GET(self) -> None:
        """Return a file, or say that S3 has nothing below a key."""
        if "list-type=2" not in self.path:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(EMPTY_LISTING)))
        self.end_headers()
        self.wfile.write(EMPTY_LISTING)

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:
        """Send a file, of one called `cut` the first half alone."""
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.path.endswith("cut") else content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def address(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the log by HTTP and S3 on loopback; return its HTTP address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", host)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        yield f"{host}/{log.name}"
        server.shutdown()


def test_remote_files_are_local_while_they_are_read(log: Path, address: str, tmp_path: Path) -> None:
    for folder in (address, f"file://{log}", "s3://log", "s3a://log"):
        source = {"clicks": f"{folder}/yoochoose-clicks.dat", "buys": [str(log / "yoochoose-buys.dat")]}
        with local_files("yoochoose", source, tmp_path / "fetched") as files:
            assert [path.read_text() for paths in files.values() for path in paths] == [CLICKS, BUYS]
            assert files["clicks"][0].is_relative_to(tmp_path / "fetched")
        assert not (tmp_path / "fetched").exists()


def test_a_file_that_arrives_in_part_is_refused(address: str, tmp_path: Path, log: Path) -> None:
    (log / "cut").write_bytes(b"1," * 100_000)
    with (
        pytest.raises(UserError, match=r"cut can't be read \(the connection ended 100,000 bytes before"),
        local_files("yoochoose", {"clicks": f"{address}/cut"}, tmp_path / "fetched"),
    ):
        pass


def test_names_of_remote_files_may_hold_what_an_address_may_not(tmp_path: Path) -> None:
    folder = tmp_path / "day=a b"
    folder.mkdir()
    (folder / "ü #{x}.csv").write_text("session\n1\n")
    table = TableLog.model_validate(
        {"key": "session", "tables": {"log": {"time": "t", "session": "s", "item": "i", "event": "view"}}}
    )
    source = f"file://{quote(str(tmp_path))}"
    with local_files("table", source, tmp_path / "fetched", table) as files:
        assert [path.relative_to(tmp_path / "fetched").parts[1:] for path in files["log"]] == [
            ("day=a b", "ü #{x}.csv")
        ]


@pytest.mark.parametrize("scheme", ["http", "file", "s3"])
def test_a_remote_folder_is_searched_for_the_published_names(
    scheme: str, log: Path, address: str, tmp_path: Path
) -> None:
    source = {"http": address, "file": f"file://{log}", "s3": "s3://log"}[scheme]
    with local_files("yoochoose", source, tmp_path / "fetched") as files:
        assert {role: [path.name for path in paths] for role, paths in files.items()} == {
            "clicks": ["yoochoose-clicks.dat"],
            "buys": ["yoochoose-buys.dat"],
        }


@pytest.mark.parametrize("scheme", ["http", "file", "s3"])
def test_a_changed_remote_file_is_noticed(
    scheme: str,
    log: Path,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = {"http": address, "file": f"file://{log}", "s3": "s3://log"}[scheme]
    buys, own_file = log / "yoochoose-buys.dat", tmp_path / "own.dat"
    own_file.write_text(CLICKS)
    for source, changed in (
        (folder, buys),
        ({"clicks": str(own_file), "buys": f"{folder}/{buys.name}"}, own_file),
    ):
        dataset = Dataset(format="yoochoose", source=source)
        content = partial(raw_files, "datasets.shop.source", dataset, source, tmp_path / "memory.json")
        before = content()
        assert content() == before
        changed.write_text(f"{changed.read_text()}\n")
        after = content()
        assert after.content != before.content
        assert capsys.readouterr().err == ""
        if scheme != "file":
            with monkeypatch.context() as patched:
                patched.setattr(Files, "refusing", True)
                assert content() == after
            assert "is taken to be unchanged" in capsys.readouterr().err


def test_local_files_beside_remote_ones_are_all_read_and_must_be_there(
    log: Path, address: str, tmp_path: Path
) -> None:
    for number in range(2):
        (more := tmp_path / "more % of it").mkdir(exist_ok=True)
        (more / f"part-{number}.csv").write_text("session\n1\n")
    (log / "a.csv").write_text("session\n1\n")
    table = {
        "key": "session",
        "tables": {"log": {"time": "t", "session": "s", "item": "i", "event": "view", "files": "*.csv"}},
    }
    source = [f"{address}/a.csv", str(more)]
    with local_files("table", source, tmp_path / "fetched", TableLog.model_validate(table)) as files:
        assert [path.name for path in files["log"]] == ["a.csv", "part-0.csv", "part-1.csv"]
    missing = {"clicks": f"{address}/yoochoose-clicks.dat", "buys": str(tmp_path / "no.dat")}
    dataset = Dataset(format="yoochoose", source=missing)
    with pytest.raises(SystemExit, match=r"source: The source .*no\.dat does not exist"):
        raw_files("datasets.shop.source", dataset, missing, tmp_path / "memory.json")


def test_a_silent_server_does_not_hold_up_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "PLAN_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = {"clicks": f"http://127.0.0.1:{silent.getsockname()[1]}/clicks.dat"}
        dataset = Dataset(format="yoochoose", source=source)
        raw_files("datasets.shop.source", dataset, source, tmp_path / "memory.json")
    assert "timed out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "source",
    ["s3a://bucket/log", "nothing://host/log", "http://127.0.0.1:9/log", "hdfs://nowhere.invalid/log"],
)
def test_an_address_that_can_t_be_read_is_refused_by_name(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No test reaches a network: S3 is at a port of this machine where nothing listens.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with (
        pytest.raises(UserError, match=f"{source}.* can't be read"),
        local_files("yoochoose", {"clicks": source}, tmp_path / "fetched"),
    ):
        pass
    assert not (tmp_path / "fetched").exists()


def test_a_folder_without_the_log_or_in_the_place_of_a_file_is_refused_by_its_address(
    tmp_path: Path, address: str
) -> None:
    for source, words in (
        (f"file://{tmp_path}", "holds no yoochoose-clicks"),
        (f"{address}/elsewhere", "elsewhere holds no yoochoose-clicks"),
        ({"clicks": f"file://{tmp_path}"}, "is a folder"),
        ({"clicks": f"{address}/elsewhere"}, "elsewhere does not exist"),
        ({"../clicks": f"file://{tmp_path}"}, "has no file of role"),
    ):
        with pytest.raises(UserError, match=words), local_files("yoochoose", source, tmp_path / "fetched"):
            pass


@pytest.mark.spark
def test_remote_and_local_files_give_the_same_events(
    log: Path, address: str, tmp_path: Path, spark: SparkOptions
) -> None:
    files: dict[str, str | bytes] = {path.name: path.read_bytes() for path in log.iterdir()}
    local, _ = read(tmp_path / "local", "yoochoose", files, spark)
    spec = EventsSpec(format="yoochoose", source=address, max_rejected=0.0, drop_duplicates=True)
    events = tmp_path / "remote" / "events"
    build_events(spec, output=events, rejected=tmp_path / "remote" / "rejected", spark=spark)
    assert pq.read_table(events).to_pylist() == local
    assert sorted(path.name for path in events.parent.iterdir()) == [
        "events",
        "events.json",
        "rejected",
        "rejected.json",
    ]
