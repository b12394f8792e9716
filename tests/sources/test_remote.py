"""A log at an address that Spark's Hadoop can read gives the events that its files would give."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rabbithole.errors import UserError
from rabbithole.ingest.remote import files_of
from rabbithole.spark.session import SparkOptions

CLICKS, BUYS = "1,2014-04-07T10:51:09.277Z,5,0\n", "1,2014-04-07T10:54:09.868Z,5,0,2\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a folder with a log."""
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "yoochoose-clicks.dat").write_text(CLICKS)
    (folder / "yoochoose-buys.dat").write_text(BUYS)
    return folder


@pytest.fixture
def address(log: Path) -> Iterator[str]:
    """Serve the log on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=log)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_files_at_addresses_are_here_while_they_are_read(
    log: Path, address: str, tmp_path: Path, spark: SparkOptions
) -> None:
    source = {"clicks": f"{address}/yoochoose-clicks.dat", "buys": [str(log / "yoochoose-buys.dat")]}
    with files_of("yoochoose", source, tmp_path / "fetched", spark) as files:
        assert [path.read_text() for paths in files.values() for path in paths] == [CLICKS, BUYS]
        assert files["clicks"][0].is_relative_to(tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_folder_at_an_address_is_searched_for_the_published_names(
    log: Path, tmp_path: Path, spark: SparkOptions
) -> None:
    with files_of("yoochoose", f"file://{log}", tmp_path / "fetched", spark) as files:
        assert {role: [path.name for path in paths] for role, paths in files.items()} == {
            "clicks": ["yoochoose-clicks.dat"],
            "buys": ["yoochoose-buys.dat"],
        }


@pytest.mark.parametrize(
    "source", ["s3a://bucket/log", "nothing://there", "http://127.0.0.1:9/log", "hdfs://nowhere.invalid/log"]
)
def test_an_address_that_can_t_be_read_is_refused_by_name(
    source: str, tmp_path: Path, spark: SparkOptions
) -> None:
    with (
        pytest.raises(UserError, match=f"{source}.* can't be read"),
        files_of("yoochoose", {"clicks": source}, tmp_path / "fetched", spark),
    ):
        pass
    assert not (tmp_path / "fetched").exists()


def test_a_folder_without_the_log_or_in_the_place_of_a_file_is_refused_by_its_address(
    tmp_path: Path, spark: SparkOptions
) -> None:
    for source, words in (
        (f"file://{tmp_path}", "holds no yoochoose-clicks"),
        ({"clicks": f"file://{tmp_path}"}, "is a folder"),
        ({"../clicks": f"file://{tmp_path}"}, "has no file of role"),
    ):
        with (
            pytest.raises(UserError, match=words),
            files_of("yoochoose", source, tmp_path / "fetched", spark),
        ):
            pass
