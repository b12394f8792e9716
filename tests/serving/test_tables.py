"""Outputs replace no folder of the user's, and only files of scores are read as such."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories.tables import TABLE

from rabbithole.config.datasets import Dataset
from rabbithole.errors import UserError
from rabbithole.serving.tables import TableWriter, read_scores, require_replaceable
from rabbithole.serving.terminal import require_apart


def test_a_folder_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "scores.parquet"
    folder.mkdir()
    with pytest.raises(UserError, match="is a folder"):
        TableWriter(folder, pa.schema([]))


def test_an_output_that_cannot_be_written_is_named_as_the_user_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"scores.csv can't be written: .*file is a file"):
        TableWriter(tmp_path / "file" / "scores.csv", pa.schema([]))
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        with pytest.raises(UserError, match=f"model can't be written: the folder {tmp_path} is read-only"):
            require_replaceable(tmp_path / "new" / "model", "manifest.json")
    # Between the check and the writing, the folder went.
    writer = TableWriter(tmp_path / "scores.csv", pa.schema([]))

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Arrow's words, with the name of its temporary file")

    monkeypatch.setattr("pyarrow.csv.CSVWriter", refuse)
    with pytest.raises(OSError, match="Read-only") as error, writer:
        pass
    assert error.value.filename == str(tmp_path / "scores.csv")


def test_only_an_older_output_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="holds something else"):
        require_replaceable(tmp_path, "export.json")
    (tmp_path / "export.json").touch()
    require_replaceable(tmp_path, "export.json")
    require_replaceable(tmp_path / "new", "export.json")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match="holds something else"):
        require_replaceable(tmp_path / "link", "export.json")


@pytest.mark.parametrize("output", ["model/new", "model/checkpoint/new", "-"])
def test_nothing_is_written_into_a_model_folder_or_to_a_dash(
    tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model" / "checkpoint").mkdir(parents=True)
    (tmp_path / "model" / "manifest.json").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"Give a(nother)? name"):
        require_replaceable(Path(output), "export.json")


@pytest.mark.parametrize("output", ["log.csv", "link.csv", "rows.csv", "earlier.parquet", "model/scores.csv"])
def test_no_output_replaces_what_is_read(tmp_path: Path, output: str) -> None:
    (tmp_path / "model").mkdir()
    for name in ("log.csv", "rows.csv.json", "earlier.parquet"):
        (tmp_path / name).write_text("time,item\n")
    (tmp_path / "link.csv").symlink_to("log.csv")
    dataset = Dataset.model_validate({"format": "table", "source": str(tmp_path), "table": {"events": TABLE}})
    manifest = SimpleNamespace(events=SimpleNamespace(format="table", table=dataset.table_log))
    folder: Any = SimpleNamespace(path=tmp_path / "model", manifest=manifest)
    log = [str(tmp_path / "log.csv"), str(tmp_path / "rows.csv.json")]
    with pytest.raises(UserError, match="Give another name"):
        require_apart(tmp_path / output, folder, log, [tmp_path / "earlier.parquet"])
    require_apart(tmp_path / "scores.csv", folder, log)


def test_other_files_are_not_read_as_scores(tmp_path: Path) -> None:
    text, other = tmp_path / "scores.csv", tmp_path / "other.parquet"
    text.write_text("session_id,probability\na,0.5\n")
    pq.write_table(pa.table({"session_id": ["a"]}), other)
    pq.write_table(pa.table({"session_id": ["a"] * 999, "probability": [0.5] * 999}), tmp_path / "whole")
    content = bytearray((tmp_path / "whole").read_bytes())
    content[8] ^= 255
    (damaged := tmp_path / "damaged").write_bytes(content)
    wrong = []
    for number, chance in enumerate([None, float("nan"), 1.5]):
        wrong.append(tmp_path / f"wrong-{number}")
        pq.write_table(pa.table({"session_id": ["a", "b"], "probability": [0.1, chance]}), wrong[-1])
    for path in (text, other, tmp_path / "none.parquet", tmp_path, damaged, *wrong):
        with pytest.raises(UserError, match="`rabbithole predict` wrote"):
            read_scores(path, ["session_id", "probability"])


def test_a_flipped_bit_changes_no_score_without_a_word(tmp_path: Path) -> None:
    """Headers of pages have no checksum: a bit there is seen, or means nothing."""
    schema = pa.schema([("session_id", pa.string()), ("probability", pa.float64())])
    path, rows = tmp_path / "scores.parquet", 300
    with TableWriter(path, schema) as writer:
        values = {"session_id": [f"{n}" for n in range(rows)], "probability": np.linspace(0, 1, rows)}
        writer.write(pa.table(values, schema))
    whole = path.read_bytes()
    scores = read_scores(path, list(schema.names))
    pages, refused = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8, 0
    for place in range(4, pages, pages // 200):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        try:
            assert read_scores(path, list(schema.names)) == scores
        except UserError:
            refused += 1
    assert refused > 150
