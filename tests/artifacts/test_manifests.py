"""A manifest is refused when its folder has lost a file or gained one."""

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
    manifest = RejectedManifest(files=RejectedManifest.digests(folder), rows=1, reasons={})
    manifest.write(manifest_path(folder))
    assert RejectedManifest.of(folder) == manifest
    (folder / "more.parquet").write_bytes(b"y")
    with pytest.raises(UserError, match=r"more\.parquet"):
        RejectedManifest.of(folder)
    (folder / "more.parquet").unlink()
    (folder / "part.parquet").unlink()
    with pytest.raises(UserError, match=r"part\.parquet"):
        RejectedManifest.of(folder)
