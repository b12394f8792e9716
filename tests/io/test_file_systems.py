"""Google's and Azure's storage: refused in a sentence without a server, and tried where an emulator runs."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from rabbithole.errors import UserError
from rabbithole.io import file_systems
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter, read_part
from rabbithole.io.storage import StoredFile, StoredFolder, remove_stored_parts

ROWS = pa.table({"number": range(100_000)})
EMULATORS = {"gs": "STORAGE_EMULATOR_HOST", "abfs": "AZURE_STORAGE_CONNECTION_STRING"}


def write_part(folder: Path | StoredFolder) -> dict[str, WrittenFile]:
    """Write a part of `ROWS`."""
    with PartWriter(folder, 7, ROWS.schema) as part:
        part.write(ROWS)
    return part.written


@pytest.mark.parametrize("scheme", EMULATORS)
def test_a_part_in_an_emulated_cloud_is_written_read_and_removed(scheme: str, tmp_path: Path) -> None:
    """CONTRIBUTING.md says how to start the emulators."""
    if EMULATORS[scheme] not in os.environ:
        pytest.skip(f"needs an emulator, named by {EMULATORS[scheme]}")
    folder = StoredFolder(f"{scheme}://bucket/shop/events")
    ((name, written),) = write_part(folder).items()
    assert list(write_part(tmp_path).values()) == [written]
    stored = StoredFile(folder.file(name), written, "Run again.")
    assert pa.Table.from_batches(read_part(stored)) == ROWS
    remove_stored_parts(folder)
    with pytest.raises(UserError, match=r"is missing\. Run again\."):
        list(read_part(stored))
    with pytest.raises(UserError, match="there is no bucket 'no-bucket'"):
        remove_stored_parts(StoredFolder(f"{scheme}://no-bucket/shop/events"))


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ("AccountKey=a2V5", "must hold AccountName"),
        # Azure's library aborts the process for such a key.
        ("AccountName=shop;AccountKey=%", "its AccountKey is not in Base64"),
    ],
)
def test_a_connection_string_that_cannot_be_used_is_refused(
    connection: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    with pytest.raises(UserError, match=rf"^AZURE_STORAGE_CONNECTION_STRING.* {words}"):
        remove_stored_parts(StoredFolder("abfs://bucket/shop/events"))


def test_missing_credentials_of_azure_end_in_a_sentence_and_not_in_an_abort(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    folder = StoredFolder("abfss://bucket@account.dfs.core.windows.net/shop/events")
    with pytest.raises(UserError, match=r"can't be written \(.*\)\. Check the address and your credentials"):
        remove_stored_parts(folder)


def test_a_server_of_google_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9")
    monkeypatch.setattr(file_systems, "SILENT_SECONDS", 1)
    file_systems._gs.cache_clear()
    with pytest.raises(UserError, match=r"\(CURL error \[7\]=Could not connect to server\)\. Check"):
        remove_stored_parts(StoredFolder("gs://bucket/shop/events"))
