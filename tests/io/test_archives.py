"""The data member of an archive is unpacked; an archive that reaches outside its folder is refused."""

import zipfile
from pathlib import Path

import py7zr
import pytest

from rabbithole.errors import UserError
from rabbithole.io.archives import published_members, unpack


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
        published_members(archive, ("yoochoose-clicks.dat",))
    with pytest.raises(UserError, match=f"clicks{ending}"):
        unpack(archive, {name: folder / "clicks"})
    assert not [path for path in tmp_path.rglob("*") if "outside" in path.name]
    assert not Path("/tmp/rabbithole-outside.dat").exists()


@pytest.mark.parametrize("ending", [".zip", ".7z"])
def test_the_member_with_a_published_name_is_unpacked_or_the_archive_refused(
    tmp_path: Path, ending: str
) -> None:
    members = {
        "set/readme.txt": "no",
        "set/yoochoose-clicks.dat": "yes",
        "__MACOSX/yoochoose-clicks.dat": "no",
    }
    archive = pack(tmp_path / f"some{ending}", members)
    (member,) = published_members(archive, ("yoochoose-clicks.dat",))
    unpack(archive, {member: tmp_path / "unpacked"})
    assert (tmp_path / "unpacked").read_text() == "yes"
    with pytest.raises(UserError, match=r"set/readme\.txt.*must hold one"):
        published_members(archive, ("yoochoose-buys.dat",))
