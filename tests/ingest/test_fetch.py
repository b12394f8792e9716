"""The real logs are fetched with kagglehub, here from a stand-in for Kaggle on the loopback interface."""

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from typer.testing import CliRunner

from rabbithole.cli import app
from rabbithole.errors import UserError
from rabbithole.ingest.fetch import fetch_log

RETAILROCKET = {
    "events.csv": b"timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n",
    "item_properties_part1.csv": b"timestamp,itemid,property,value\n1435460400000,460429,categoryid,1338\n",
    "item_properties_part2.csv": b"timestamp,itemid,property,value\n1433041200000,183478,available,1\n",
    "category_tree.csv": b"categoryid,parentid\n1016,213\n",
}
CLICK, BUY = b"1,2014-04-07T10:51:09.277Z,214536502,0\n", b"1,2014-04-07T10:54:10.998Z,214536502,12462,1\n"


@dataclass
class Kaggle:
    """What the stand-in serves. lost: bytes that the next download lacks; log: requests and their ranges."""

    archive: bytes = b""
    lost: int = 0
    status: int = 200
    log: list[tuple[str, str, str | None]] = field(default_factory=list)

    def serve(self, files: dict[str, bytes]) -> None:
        """Serve these files as a data set."""
        pack = io.BytesIO()
        with zipfile.ZipFile(pack, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        self.archive = pack.getvalue()


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """Point kagglehub at a stand-in that answers as Kaggle does: JSON, and a redirect to the archive."""
    # Its log handler keeps the standard output of the moment when it is imported.
    import kagglehub  # noqa: F401
    from kagglesdk import kaggle_env

    state = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.log.append(("POST", f"{request['ownerSlug']}/{request['datasetSlug']}", None))
            if self.path.endswith("/DownloadDataset"):
                self.send_response(302)
                self.send_header("Location", "/store/archive.zip")
                self.end_headers()
                return
            body = json.dumps({"currentVersionNumber": 2}).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            span = self.headers["Range"]
            state.log.append(("GET", self.path, span))
            start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            body = state.archive[start:]
            self.send_response(206 if span else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - state.lost])
            state.lost = 0

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, address)
    # No token of the user's is sent.
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    # fetch_log sets it.
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fetched_log_is_usable_as_printed_and_is_not_fetched_twice(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.serve(RETAILROCKET)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = CliRunner().invoke(app, ["fetch", "retailrocket"], catch_exceptions=False)
        assert yaml.safe_load(done.stdout) == {
            "datasets": {"retailrocket": {"format": "retailrocket", "source": "data/retailrocket"}}
        }
    assert {path.name: path.read_bytes() for path in Path("data/retailrocket").iterdir()} == RETAILROCKET
    assert [name for method, name, _ in kaggle.log if method == "POST"] == [
        "retailrocket/ecommerce-dataset"
    ] * 2
    assert len(kaggle.log) == 3


def test_files_in_a_folder_of_the_archive_are_found(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.serve({"yoochoose-data/yoochoose-clicks.dat": CLICK, "yoochoose-data/yoochoose-buys.dat": BUY})
    assert fetch_log("yoochoose", tmp_path / "log") == tmp_path / "log/yoochoose-data"
    assert kaggle.log[0] == ("POST", "chadgostopp/recsys-challenge-2015", None)


def test_an_interrupted_download_continues(kaggle: Kaggle, tmp_path: Path) -> None:
    files = {**RETAILROCKET, "events.csv": RETAILROCKET["events.csv"] * 40_000}
    kaggle.serve(files)
    kaggle.lost = 100
    with pytest.raises(UserError, match=r"retailrocket/ecommerce-dataset could not be downloaded: .*Repeat"):
        fetch_log("retailrocket", tmp_path / "log")
    assert fetch_log("retailrocket", tmp_path / "log") == tmp_path / "log"
    assert kaggle.log[-1] == ("GET", "/store/archive.zip", f"bytes={3 * 2**20}-")
    assert {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()} == files


def test_an_archive_cannot_write_outside_its_folder(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.serve({**RETAILROCKET, "../../../../../../outside.txt": b"x", "/tmp/rabbithole-outside.txt": b"x"})
    log = tmp_path / "a/b/c/log"
    fetch_log("retailrocket", log)
    outside = [path for path in tmp_path.rglob("*outside.txt") if log not in path.parents]
    assert not outside and not Path("/tmp/rabbithole-outside.txt").exists()


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        (
            {"events.csv.bak": b""},
            200,
            r"does not hold the files of retailrocket. It holds: events\.csv\.bak",
        ),
        (RETAILROCKET, 403, r"could not be downloaded: 403 Client Error"),
    ],
)
def test_what_kaggle_cannot_give_is_said(
    kaggle: Kaggle, tmp_path: Path, files: dict[str, bytes], status: int, words: str
) -> None:
    kaggle.serve(files)
    kaggle.status = status
    with pytest.raises(UserError, match=words):
        fetch_log("retailrocket", tmp_path / "log")


def test_a_folder_with_other_files_is_left_alone(kaggle: Kaggle, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(UserError, match="name another folder"):
        fetch_log("retailrocket", tmp_path)
    assert not kaggle.log


def test_a_missing_kagglehub_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError, match="pip install kagglehub"):
        fetch_log("yoochoose", tmp_path / "log")
