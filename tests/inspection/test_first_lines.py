"""`inspect` where the first lines of a file are unlike the others, or tell what the file is."""

import json
from pathlib import Path

import pytest
from factories.inspected import STANDARD, read
from factories.shop_logs import shop_events, write_csv

from rabbithole.errors import UserError
from rabbithole.inspection.inspect import inspect


def test_a_key_before_each_json_object(tmp_path: Path) -> None:
    """As Kafka's console consumer prints them: the quotes and commas of JSON part no fields."""
    path = tmp_path / "topic.txt"
    rows = ({name: str(get(event)) for name, get in STANDARD.items()} for event in shop_events())
    path.write_text("".join(f"k{number % 9}\t{json.dumps(row)}\n" for number, row in enumerate(rows)))
    _, _, table = read(path)
    assert (table.separator, table.quote, table.header) == ("\t", None, False)
    assert (table.session, table.item) == (["2.session_id"], ["2.product_id"])


def test_lines_before_the_first_row_are_skipped_without_a_header_too(tmp_path: Path) -> None:
    """The first line says how many columns there are, so a run would refuse all others."""
    lines = write_csv(tmp_path / "log.csv", STANDARD).read_text().splitlines()
    path = tmp_path / "trailing.csv"
    path.write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]) + "\n")
    text = inspect([str(path)]).text
    assert "header: false" in text and "skip_lines: 1" in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"session": {"0": "a", "1": "b"}, "time": {"0": 1, "1": 2}}', "a key for each column"),
        ("-- MySQL dump\nINSERT INTO `events` VALUES (1,'view'),(2,'buy');\n", "a dump of a database"),
        ("a  2025-03-01 10:00:00   view\n" * 50, "blanks align its columns"),
        ('shop.io 10.0.0.1 - - [01/Mar/2025:00:11:33 +0000] "GET / HTTP/1.1" 200 5\n', "access log"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "log.txt").write_text(text)
    with pytest.raises(UserError, match=reason):
        inspect([str(tmp_path / "log.txt")])
