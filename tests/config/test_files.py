"""Mistakes in config files that are lost once they are read and merged."""

from pathlib import Path

import pytest

from rabbithole.config.files import refuse_empty_sections, refuse_repeated_keys
from rabbithole.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        "datasets:\n  a: 1\nmodels: {}\ndatasets:\n  b: 1\n",
        "report:\n  title: a\n  style: {}\n  title: b\n",
        "predict: [{model: a, model: b}]\n",
        '{"datasets": {},\n "datasets": {}}\n',
    ],
)
def test_a_key_that_stands_in_a_section_twice_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml:\d+: the key '\w+' .* twice"):
        refuse_repeated_keys([file])


def test_the_same_key_in_two_sections_or_files_is_no_repetition(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a: {source: 1}\nb: {source: 1}\nbase: &x {c: 1}\nd: {<<: *x, e: 1}\n")
    refuse_repeated_keys([file, file])


def test_an_empty_section_in_the_place_of_a_value_is_refused() -> None:
    config = {"datasets": {"shop": {"source": "simulate", "windows": {"length": 100}}}, "predict": {}}
    with pytest.raises(UserError, match=r"datasets\.shop\.source: given \{\}"):
        refuse_empty_sections({"datasets": {"shop": {"source": {}}}}, config)
    refuse_empty_sections({"datasets": {"shop": {"windows": {}}}, "predict": {}}, config)
