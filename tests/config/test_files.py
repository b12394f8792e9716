"""Mistakes in config files that are lost once they are read and merged."""

import os
import re
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config as parse_config_words

from rabbithole.config.files import refuse_empty_sections, refuse_slips, refuse_texts_on_command_line
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        "datasets:\n  a: 1\nmodels: {}\ndatasets:\n  b: 1\n",
        "report:\n  title: a\n  style: {}\n  title: b\n",
        "predict: [{model: a, model: b}]\n",
        '{"datasets": {},\n "datasets": {}}\n',
        # JSON that is no YAML, so that its lines are not known.
        '{\n\t"report": {"title": "a\\/b", "title": "c"}\n}\n',
    ],
)
def test_a_key_that_stands_in_a_section_twice_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml(:\d+)?: the key '\w+' .* twice"):
        refuse_slips([file])


def test_the_same_key_in_two_sections_or_files_is_no_repetition(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a: {source: 1}\nb: {source: 1}\nbase: &x {c: 1}\nd: {<<: *x, e: 1}\n")
    refuse_slips([file, file])


def test_an_empty_section_in_the_place_of_a_value_is_refused() -> None:
    config = {"datasets": {"shop": {"source": "simulate", "windows": {"length": 100}}}, "predict": {}}
    with pytest.raises(UserError, match=r"datasets\.shop\.source: given \{\}"):
        refuse_empty_sections({"datasets": {"shop": {"source": {}}}}, config)
    refuse_empty_sections({"datasets": {"shop": {"windows": {}}}, "predict": {}}, config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epochs: 010}\n", "config.yaml:1: YAML does not read 010"),
        ("a:\n  gap_minutes: 1:30\n", "config.yaml:2: YAML does not read 1:30"),
        ("words: {no: view}\n", "YAML reads the key no as bool, not as text"),
        ("datasets:\n  2024-01-01: {}\n", "config.yaml:2: YAML reads the key 2024-01-01 as timestamp"),
    ],
)
def test_what_yaml_reads_as_something_else_than_it_looks_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        refuse_slips([file])


@pytest.mark.parametrize(
    "words",
    [
        "alice=null",
        "datasets={shop: {hash_ids: null}}",
        "models={gru: {width: 8}}",
        "training_seeds=[0, 1]",
        "datasets={shop: {drop_duplicates: false}}",
    ],
)
def test_a_value_that_becomes_text_on_the_command_line_is_refused(words: str) -> None:
    with pytest.raises(UserError, match=r"after --config, Snakemake reads .* as text here"):
        refuse_texts_on_command_line(parse_config_words([words]))


def test_texts_and_numbers_on_the_command_line_stay_settings() -> None:
    words = ["data_seed=7", "storage=s3://bucket", "report={title: 'a: b'}", "pathvars={results: 2024}"]
    refuse_texts_on_command_line(parse_config_words(words))


def test_aliases_and_pipes_end(tmp_path: Path) -> None:
    """Aliases may stand for millions of nodes or hold themselves, and a pipe has been read already."""
    nested = "".join(
        f"{letter}{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 30) for letter in "k"
    )
    (file := tmp_path / "config.yaml").write_text(f"k0: &x0 [a]\n{nested}loop: &l [*l]\n")
    os.mkfifo(pipe := tmp_path / "pipe.yaml")
    refuse_slips([file, pipe])
    sections = "".join(
        f"m{n}: &m{n} {{{', '.join(f'k{k}: *m{n - 1}' for k in range(9))}}}\n" for n in range(1, 30)
    )
    overlay = yaml.safe_load(f"m0: &m0 {{a: 1}}\n{sections}")
    refuse_empty_sections(overlay, overlay)
    with pytest.raises(UserError, match="k29: there is no such key") as error:
        parse_config(yaml.safe_load(file.read_text()) | {"datasets": {}})
    assert all(len(line) < 2000 for line in str(error.value).splitlines())
