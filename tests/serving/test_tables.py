"""Outputs replace no folder of the user's, and only files of scores are read as such."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.errors import UserError
from rabbithole.serving.tables import TableWriter, read_scores, require_replaceable


def test_a_folder_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "scores.parquet"
    folder.mkdir()
    with pytest.raises(UserError, match="is a folder"):
        TableWriter(folder, pa.schema([]))


def test_only_an_older_output_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="holds something else"):
        require_replaceable(tmp_path, "export.json")
    (tmp_path / "export.json").touch()
    require_replaceable(tmp_path, "export.json")
    require_replaceable(tmp_path / "new", "export.json")


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
