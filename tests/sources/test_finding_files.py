"""Which files are a log's, and which member of an archive."""

import zipfile
from pathlib import Path

import py7zr
import pytest

from rabbithole.errors import UserError
from rabbithole.ingest.locate import locate
from rabbithole.io.archives import unpack


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


def test_files_may_be_given_by_role(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b", "c")
    given = {"item_properties": [str(tmp_path / "b"), str(tmp_path / "c")], "events": str(tmp_path / "a")}
    assert locate("retailrocket", given) == {
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


def pack(path: Path, members: dict[str, str]) -> Path:
    """Write an archive of members, under names that its library would refuse too."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
    else:
        with py7zr.SevenZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(text, "x" * len(name))
                archive.header.files_info.files[-1]["filename"] = name
    return path


@pytest.mark.parametrize("ending", [".zip", ".7z"])
@pytest.mark.parametrize(
    "name", ["../../outside.dat", "/tmp/rabbithole-outside.dat", "a\\..\\..\\outside.dat", "C:\\outside.dat"]
)
def test_an_archive_that_reaches_outside_its_folder_is_refused(
    tmp_path: Path, name: str, ending: str
) -> None:
    archive = pack(tmp_path / f"clicks{ending}", {name: "1,2\n"})
    (folder := tmp_path / "in" / "here").mkdir(parents=True)
    with pytest.raises(UserError, match=f"clicks{ending}"):
        unpack(archive, ("yoochoose-clicks.dat",), folder)
    assert not [path for path in tmp_path.rglob("*") if "outside" in path.name]
    assert not Path("/tmp/rabbithole-outside.dat").exists()


@pytest.mark.parametrize("ending", [".zip", ".7z"])
def test_the_member_of_the_published_name_is_taken_or_the_archive_refused(
    tmp_path: Path, ending: str
) -> None:
    members = {
        "set/readme.txt": "no",
        "set/yoochoose-clicks.dat": "yes",
        "__MACOSX/yoochoose-clicks.dat": "no",
    }
    archive = pack(tmp_path / f"some{ending}", members)
    assert unpack(archive, ("yoochoose-clicks.dat",), tmp_path).read_text() == "yes"
    with pytest.raises(UserError, match=r"set/readme\.txt.*must hold one"):
        unpack(archive, ("yoochoose-buys.dat",), tmp_path)
