"""The files of a log are found by role or by their published names."""

from pathlib import Path

import pytest
from factories.tables import TABLE

from rabbithole.config.datasets import Dataset
from rabbithole.errors import UserError
from rabbithole.ingest.locate import files_below, locate


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_a_folder_is_searched_for_the_published_names_plain_first(tmp_path: Path) -> None:
    touch(tmp_path, "yoochoose-clicks.dat", "yoochoose-clicks.dat.gz", "yoochoose-buys.dat.7z", "notes.txt")
    assert locate("yoochoose", str(tmp_path)) == {
        "clicks": [tmp_path / "yoochoose-clicks.dat"],
        "buys": [tmp_path / "yoochoose-buys.dat.7z"],
    }


def test_files_may_be_named_by_role(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b", "c")
    source = {"item_properties": [str(tmp_path / "b"), str(tmp_path / "c")], "events": str(tmp_path / "a")}
    assert locate("retailrocket", source) == {
        "events": [tmp_path / "a"],
        "item_properties": [tmp_path / "b", tmp_path / "c"],
    }


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "yoochoose-buys.dat")
    with pytest.raises(UserError, match=r"yoochoose-clicks\.dat"):
        locate("yoochoose", tmp_path)
    with pytest.raises(UserError, match="nowhere does not exist"):
        locate("yoochoose", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"clicks file .*gone\.dat does not exist"):
        locate("yoochoose", {"clicks": str(tmp_path / "gone.dat")})
    with pytest.raises(UserError, match=r"no file of role 'click'.*clicks, buys"):
        locate("yoochoose", {"click": str(tmp_path / "yoochoose-buys.dat")})


@pytest.mark.parametrize("again", ["a", "./b/../a", "link"])
def test_a_file_that_is_named_twice_is_refused(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a", "c")
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(UserError, match="is named as clicks and as buys"):
        locate("yoochoose", {"clicks": "a", "buys": again})
    with pytest.raises(UserError, match="is named twice as clicks"):
        locate("yoochoose", {"clicks": ["a", again], "buys": "c"})


def test_two_tables_read_a_file_only_in_different_ways(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    for event, refused in (("click", False), (TABLE["event"], True)):
        tables = {"events": TABLE, "more": {**TABLE, "event": event, "files": "a*"}}
        log = Dataset.model_validate({"format": "table", "source": str(tmp_path), "table": tables})
        if refused:
            with pytest.raises(UserError, match="named as events and as more"):
                locate("table", log.source, log.table_log)
        else:
            assert [*locate("table", log.source, log.table_log)] == ["events", "more"]


def test_a_file_that_is_named_and_that_no_table_reads_is_refused(tmp_path: Path) -> None:
    """In a folder, a file beside the tables is none of the log's; one that is named is meant to be read."""
    touch(tmp_path, "a-1.csv", "b-1.csv")
    table = {**TABLE, "files": "a*"}
    log = Dataset.model_validate({"format": "table", "source": str(tmp_path), "table": {"events": table}})
    assert locate("table", log.source, log.table_log) == {"events": [tmp_path / "a-1.csv"]}
    named = [str(tmp_path / name) for name in ("a-1.csv", "b-1.csv")]
    with pytest.raises(UserError, match=r"No table reads the file .*b-1\.csv.* events \(a\*\)"):
        locate("table", named, log.table_log)


@pytest.mark.parametrize("end", ["/", "//", "/."])
def test_a_file_that_is_named_like_a_folder_is_refused(tmp_path: Path, end: str) -> None:
    touch(tmp_path, "yoochoose-clicks.dat")
    name = f"{tmp_path}/yoochoose-clicks.dat{end}"
    for source in (name, {"clicks": [name]}):
        with pytest.raises(
            UserError, match=r"is a file, and its name ends like a folder's: give .*clicks\.dat\."
        ):
            locate("yoochoose", source)
    with pytest.raises(UserError, match="ends like a folder's"):
        files_below(name)
    assert locate("yoochoose", f"{tmp_path}{end}")


def test_a_pattern_that_matches_a_folder_and_its_files_names_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path / "data", "a.csv", "b.csv")
    assert files_below(f"{tmp_path}/**") == [tmp_path / "data/a.csv", tmp_path / "data/b.csv"]
