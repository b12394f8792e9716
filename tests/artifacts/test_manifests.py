"""A manifest is refused when its folder has lost a file or gained one, but for other attempts at a part."""

from pathlib import Path

import pytest

from rabbithole.artifacts.data import RejectedManifest
from rabbithole.errors import UserError
from rabbithole.io.parts import manifest_path


def test_a_manifest_detects_a_missing_and_an_extra_file(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"x")
    with pytest.raises(UserError, match="has no manifest"):
        RejectedManifest.of(folder)
    manifest = RejectedManifest(files=RejectedManifest.files_of(folder), rows=1, reasons={})
    manifest.write(manifest_path(folder))
    assert RejectedManifest.of(folder) == manifest
    (folder / "more.parquet").write_bytes(b"y")
    with pytest.raises(UserError, match=r"more\.parquet"):
        RejectedManifest.of(folder)
    (folder / "more.parquet").unlink()
    (folder / "part.parquet").unlink()
    with pytest.raises(UserError, match=r"part\.parquet"):
        RejectedManifest.of(folder)


def test_readers_take_the_parts_that_the_manifest_names_and_pass_over_other_attempts(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    (folder / "train").mkdir(parents=True)
    parts = ("part-00010-0.parquet", "part-00009-1.parquet", "train/part-00000-0.parquet")
    for name in (*parts, "_costs.parquet"):
        (folder / name).write_bytes(name.encode())
    files = RejectedManifest.files_of(folder)
    known = {name: files[name] for name in parts}
    lost = folder / "part-00009-0.parquet"
    lost.write_bytes(b"an attempt that was lost")
    manifest = RejectedManifest(files=RejectedManifest.files_of(folder, known), rows=1, reasons={})
    manifest.write(manifest_path(folder))
    assert not lost.exists() and manifest.files.keys() == {*parts, "_costs.parquet"}
    for late in (lost, folder / "train/part-00000-1.parquet"):
        late.write_bytes(b"of an attempt that ended later")
    assert RejectedManifest.of(folder) == manifest
    assert RejectedManifest.parts(folder) == [
        folder / "part-00009-1.parquet",
        folder / "part-00010-0.parquet",
    ]
    assert RejectedManifest.parts(folder, "train") == [folder / "train/part-00000-0.parquet"]
    (folder / "part-00011-0.parquet").write_bytes(b"no attempt at a part that counts")
    with pytest.raises(UserError, match=r"part-00011-0\.parquet was not written by the step"):
        RejectedManifest.of(folder)
