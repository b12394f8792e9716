"""A damaged file is refused before it is used, by its name and with what to do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.data import RawFiles, RejectedManifest
from rabbithole.errors import UserError
from rabbithole.io.digests import digest_path, write_digest
from rabbithole.io.parts import manifest_path
from rabbithole.io.tables import move_to_storage, read_table


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def become_a_folder(path: Path, _: np.random.Generator) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "a flipped bit": flip,
    "a lost end": lambda path, _: path.write_bytes(path.read_bytes()[:-1]),
    "no content": lambda path, _: path.write_bytes(b""),
    "no file": lambda path, _: path.unlink(),
    "a folder": become_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["part-00000.parquet", "_prices.parquet", "train/part-00000.parquet"])
def test_a_folder_with_a_damaged_file_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "rejected"
    for each in ("part-00000.parquet", "_prices.parquet", "train/part-00000.parquet", "encoder.json"):
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"row": np.arange(100)}), folder / each)
    (folder / ".snakemake_timestamp").touch()
    manifest = RejectedManifest(files=RejectedManifest.files_of(folder), rows=1, reasons={})
    manifest.write(manifest_path(folder))
    RawFiles.seal(folder)
    manifest_path(folder).rename(tmp_path / "kept.json")
    RawFiles.check(folder)
    (folder / RawFiles.name).rename(tmp_path / "files.json")
    (tmp_path / "kept.json").rename(manifest_path(folder))
    assert RejectedManifest.of(folder) == manifest

    DAMAGES[damage](folder / name, np.random.default_rng(1))
    with pytest.raises(UserError, match=rf"{name}.*Delete {folder} and run again: rule events"):
        RejectedManifest.of(folder)
    (tmp_path / "files.json").rename(folder / RawFiles.name)
    with pytest.raises(UserError, match=rf"{name}.*Delete {folder} and run again: rule simulate"):
        RawFiles.check(folder)


def test_every_flipped_bit_of_an_artifact_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checks.json"
    checks = LeakChecks(checks=[LeakCheck(name="a", holds=True, detail="1 exception, na\u00efve")])
    checks.write(path)
    content = path.read_bytes()
    refused = 0
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert LeakChecks.read(path) == checks
        except UserError as error:
            refused += 1
            assert str(path) in str(error) and "rule check_leaks" in str(error)
    assert refused > 7 * len(content)
    for length in range(len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"checks\.json is"):
            LeakChecks.read(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"score": np.arange(100)}), path)
    write_digest(path)
    assert digest_path(path).read_text().endswith("  scores.parquet\n")
    assert len(read_table(path, ["score"])) == 100
    with pytest.raises(UserError, match=r"scores\.parquet has no column 'steps'"):
        read_table(path, ["steps"])
    DAMAGES[damage](path, np.random.default_rng(1))
    with pytest.raises((UserError, OSError), match=r"scores\.parquet"):
        read_table(path)


def test_a_table_without_its_digest_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"score": [0.5]}), file)
    with pytest.raises(UserError, match=r"scores\.parquet\.sha256 is missing, .*Delete it and .*run again"):
        read_table(file)
    write_digest(file)
    assert read_table(file, ["score"], optional=["fold"]).column_names == ["score"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("place", ["results", "storage"])
def test_a_table_in_storage_is_read_from_there_and_refused_if_damaged(
    tmp_path: Path, place: str, damage: str
) -> None:
    file, storage = tmp_path / "results/scores.parquet", tmp_path / "storage"
    table = pa.table({"score": np.arange(100) / 100, "split": ["test"] * 100})
    file.parent.mkdir()
    pq.write_table(table, file)
    write_digest(file)
    move_to_storage(file, storage.as_uri())
    assert file.stat().st_size < 500
    assert pq.read_table(storage / "scores.parquet") == read_table(file) == table
    with pytest.raises(UserError, match=r"scores\.parquet has no column 'steps'"):
        read_table(file, ["steps"])
    DAMAGES[damage](tmp_path / place / "scores.parquet", np.random.default_rng(1))
    with pytest.raises((UserError, OSError), match=rf"{place}/scores\.parquet"):
        read_table(file)
