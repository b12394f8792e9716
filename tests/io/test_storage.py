"""Files in storage: put and fetched whole through faults; what can't be read or written is one sentence."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import CREDENTIALS, Fault, Proxy, needs_s3, s3_server

from rabbithole.artifacts.data import RejectedManifest
from rabbithole.errors import UserError
from rabbithole.io import file_systems, storage
from rabbithole.io.addresses import storage_address, without_secrets
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter, manifest_path, new_folder, read_part
from rabbithole.io.storage import StoredFile, StoredFolder, fetched, put, remove_stored_parts

pytestmark = needs_s3

SCHEMA = pa.schema([("number", pa.int64())])
ROWS = pa.table({"number": range(100_000)})


@pytest.fixture(scope="module")
def server() -> Iterator[Proxy]:
    """Start a server."""
    with s3_server() as proxy:
        proxy.ask("PUT", "/bucket")
        yield proxy


@pytest.fixture
def s3(server: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Ask the server, which is without faults at first, with little patience."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": server.endpoint}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(storage, "PAUSES", (0.01, None))
    monkeypatch.setattr(file_systems, "REQUESTS", 2)
    monkeypatch.setattr(file_systems, "SILENT_SECONDS", 1)
    file_systems._s3.cache_clear()
    server.requests.clear()
    yield server
    server.page = 1000
    server.fault = lambda _method, _path: None
    file_systems._s3.cache_clear()


def write_part(folder: Path | StoredFolder, name: str = "") -> dict[str, WrittenFile]:
    """Write a part of `ROWS`."""
    with PartWriter(folder, 7, SCHEMA, name) as part:
        part.write(ROWS)
    return part.written


def stored(folder: StoredFolder, written: dict[str, WrittenFile]) -> StoredFile:
    """Return the only part that was written."""
    ((name, file),) = written.items()
    return StoredFile(folder.file(name), file, "Run again.")


def names(folder: StoredFolder) -> set[str]:
    """Return the names of all files in a folder."""
    from pyarrow.fs import FileSelector

    system, path = storage.file_system(folder.address)
    infos = system.get_file_info(FileSelector(path, allow_not_found=True, recursive=True))
    return {info.path.removeprefix(path + "/") for info in infos if info.is_file}


def test_a_part_in_storage_holds_what_a_part_on_the_disk_holds(s3: Proxy, tmp_path: Path) -> None:
    write_part(tmp_path)
    for address in ("s3://bucket/shop/a", f"file://{tmp_path}/storage/a"):
        folder = StoredFolder(address)
        written, again = write_part(folder, "train"), write_part(folder, "train")
        assert written.keys() != again.keys() and list(written.values()) == list(again.values())
        assert names(folder) == {*written, *again}
        assert pa.Table.from_batches(read_part(stored(folder, written))) == ROWS
        with fetched(stored(folder, written)) as copy:
            assert copy.read_bytes() == (tmp_path / "part-00007-0.parquet").read_bytes()
        assert not copy.exists()
    assert s3.requests


@pytest.mark.parametrize("fault", ["busy", "cut", "silent"])
def test_a_request_that_fails_once_is_sent_again(s3: Proxy, fault: Fault) -> None:
    failed: set[str] = set()

    def once(method: str, _path: str) -> Fault | None:
        if method in failed or method not in ("GET", "PUT"):
            return None
        failed.add(method)
        return fault

    s3.fault = once
    folder = StoredFolder(f"s3://bucket/once/{fault}")
    assert pa.Table.from_batches(read_part(stored(folder, write_part(folder)))) == ROWS
    assert failed == {"GET", "PUT"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("busy", "503|SLOW"), ("cut", "."), ("silent", "imeout|NETWORK"), ("wrong key", "KEY|40[13]")],
)
def test_a_request_that_always_fails_is_refused_in_one_sentence(
    s3: Proxy, fault: Fault, reason: str, tmp_path: Path
) -> None:
    folder = StoredFolder(f"s3://bucket/always/{fault.replace(' ', '-')}")
    part = stored(folder, write_part(folder))
    s3.requests.clear()
    s3.fault = lambda method, _path: fault if method == "GET" or fault != "cut" else None
    with pytest.raises(
        UserError, match=rf"^{folder.address}/part.* can't be read \(.*({reason}).*\)"
    ) as error:
        list(read_part(part))
    assert "\n" not in str(error.value) and not any(key in str(error.value) for key in CREDENTIALS.values())
    # A wrong key is not tried again.
    assert fault != "wrong key" or len(s3.requests) <= 2
    if fault in ("busy", "wrong key"):
        with pytest.raises(UserError, match=rf"{folder.address}.* can't be written \(.*({reason})"):
            write_part(folder)
        with (
            pytest.raises(UserError, match=rf"{folder.address} can't be written"),
            new_folder(tmp_path / "events", folder),
        ):
            pass


@pytest.mark.usefixtures("s3")
def test_a_missing_bucket_and_a_server_that_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = StoredFolder("s3://no-bucket/shop/events")
    with (
        pytest.raises(UserError, match="there is no bucket 'no-bucket'"),
        new_folder(tmp_path / "a", nowhere),
    ):
        pass
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match=r"no-bucket/.* can't be written"):
        write_part(nowhere)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^s3://bucket/a can't be written \(.*\)\. Check the address"):
        remove_stored_parts(StoredFolder("s3://bucket/a"))


def test_a_missing_and_a_changed_file_are_refused_by_address_with_what_to_do(s3: Proxy) -> None:
    folder = StoredFolder("s3://bucket/changed")
    part = stored(folder, write_part(folder))
    path = part.address.removeprefix("s3:/")
    s3.ask("PUT", path, b"x" * part.written.bytes)
    with pytest.raises(UserError, match=rf"^{part.address} is damaged: .* Run again\."):
        list(read_part(part))
    s3.ask("DELETE", path)
    with pytest.raises(UserError, match=rf"^{part.address} is missing\. Run again\."):
        list(read_part(part))


def test_leftovers_are_removed_page_by_page_and_files_of_others_stay(s3: Proxy, tmp_path: Path) -> None:
    s3.page = 10
    address = "s3://bucket/shop/sessions"
    others = {"part-00001.parquet", "part-00001-0.parquet", "raw.csv", "part-00000-1.snappy.parquet"}
    lost = {f"train/part-{number:05}-{number:018}.parquet" for number in range(40)}
    for name in {*others, *lost}:
        s3.ask("PUT", f"/bucket/shop/sessions/{name}", b"x")
    folder, output = StoredFolder(address), tmp_path / "sessions"
    with new_folder(output, folder):
        written = write_part(folder)
        failed = write_part(folder)
        (output / "_prices.parquet").write_bytes(b"prices")
        files = RejectedManifest.files_of(output, written, folder)
    assert files.keys() == {*written, "_prices.parquet"} and not failed.keys() & names(folder)
    assert names(folder) == {*others, *files}
    assert sum("list-type=2" in path for _, path in s3.requests) >= 3
    with pytest.raises(KeyboardInterrupt), new_folder(output, folder):
        write_part(folder)
        raise KeyboardInterrupt
    assert names(folder) == {*others, "_prices.parquet"}


def test_a_folder_in_storage_is_read_as_one_on_the_disk(s3: Proxy, tmp_path: Path) -> None:
    folder, output = StoredFolder("s3://bucket/shop/rejected"), tmp_path / "shop/rejected"
    with new_folder(output, folder):
        (output / "side.json").write_text("{}")
        files = RejectedManifest.files_of(output, write_part(folder), folder)
    manifest = RejectedManifest(files=files, storage=folder.address, rows=1, reasons={})
    manifest.write(manifest_path(output))
    assert list(output.iterdir()) == []
    assert [part.address for part in manifest.part_files(output) if isinstance(part, StoredFile)] == [
        folder.file(name) for name in files if name.startswith("part")
    ]
    with RejectedManifest.on_this_machine(output) as copy:
        assert RejectedManifest.of(copy) == manifest.model_copy(update={"storage": None})
        assert (copy.parent.name, copy.name) == ("shop", "rejected")
        assert pq.read_table(RejectedManifest.parts(copy)) == ROWS and (copy / "side.json").exists()
    assert not copy.exists()
    s3.ask("DELETE", "/bucket/shop/rejected/side.json")
    with (
        pytest.raises(UserError, match=r"side\.json is missing\. Delete .*rejected\.json and run again"),
        RejectedManifest.on_this_machine(output),
    ):
        pass


def test_a_folder_that_can_t_be_written_is_refused() -> None:
    with pytest.raises(UserError, match=r"^file:///proc/nowhere/a can't be written"):
        put(Path(__file__), "file:///proc/nowhere/a")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://AKIA:SECRET@bucket/shop", "must hold no user name, password or key"),
        ("s3://AKIA@bucket/shop", "must hold no user name"),
        ("abfss://box:SECRET@account.dfs.core.windows.net/shop", "must hold no user name"),
        ("s3://bucket/shop?secret_key=SECRET", r"no \? or #"),
        ("results", "must begin with s3://"),
        ("ftp://host/shop", "must begin with s3://"),
        ("s3:///shop", "must name a host or a bucket"),
        ("hdfs://host:99999/shop", "Port out of range"),
        ("s3://bucket/{x}", "can't hold '{' as it is. Write it as %7B"),
        ("s3://bucket/a b", "can't hold ' ' as it is. Write it as %20"),
        ("s3://bucket/shop\n", "can't hold the control character"),
        ("s3://bucket/../shop", r"no empty part, \. or \.\."),
        ("file://shop", "whole path"),
        ("file:///", "whole path"),
    ],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        storage_address(address)
    assert "SECRET" not in str(error.value) + without_secrets(address)


def test_addresses_of_each_kind_are_taken() -> None:
    kinds = ("s3://bucket/", "gs://bucket/shop", "abfss://box@account.dfs.core.windows.net/shop")
    taken = [storage_address(kind) for kind in (*kinds, "hdfs://me@host:8020/shop", "file:///data/shop")]
    assert len(taken) == 5 and not any(address.endswith("/") for address in taken)
    assert all(first != second for first, second in itertools.pairwise(taken))
