"""The data member of an archive is unpacked; an archive that reaches outside its folder is refused."""

import random
import stat
import zipfile
from pathlib import Path

import py7zr
import pytest

from rabbithole.errors import UserError
from rabbithole.io.archives import is_archive, members, published_members, unpack


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


@pytest.mark.parametrize("ending", [".zip", ".7z"])
def test_any_damage_of_an_archive_is_one_sentence_about_it(tmp_path: Path, ending: str) -> None:
    whole = pack(tmp_path / f"log{ending}", {"a.dat": "1,2\n" * 500, "b.dat": "3,4\n" * 500}).read_bytes()
    chances = random.Random(7)
    damaged = [whole[:-5], whole[:-1], whole[:40], whole[:8]]
    for _ in range(120):
        flipped = bytearray(whole)
        # The beginning holds the places of everything, the end the names and sizes.
        places = [chances.randrange(32), chances.randrange(len(whole) - 150, len(whole))]
        flipped[chances.choice(places)] ^= 1 << chances.randrange(8)
        damaged.append(bytes(flipped))
    refused = 0
    for number, content in enumerate(damaged):
        archive = tmp_path / f"damaged-{number}{ending}"
        archive.write_bytes(content)
        targets = {name: tmp_path / f"{number}-{name}" for name in ("a.dat", "b.dat")}
        try:
            if is_archive(archive):
                known = {name: targets[name] for name in members(archive) if name in targets}
                if known:
                    unpack(archive, known)
        except UserError as error:
            refused += 1
            assert str(error).startswith(str(archive))
            assert str(error).isprintable()
        else:
            assert all(
                path.read_text() in ("1,2\n" * 500, "3,4\n" * 500)
                for path in targets.values()
                if path.exists()
            )
    assert refused > 20


def test_links_and_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("yoochoose-clicks.dat")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with (
        zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("clicks.dat", "1")
        archive.writestr("clicks.dat", "2")
    folders = pack(tmp_path / "folders.zip", {"a/clicks.dat": "1", "b/CLICKS.dat": "2"})
    for archive_path, problem in (
        (tmp_path / "link.zip", "a link called yoochoose-clicks.dat"),
        (tmp_path / "twice.zip", "two files called clicks.dat"),
        (folders, "several files of one name"),
    ):
        with pytest.raises(UserError, match=problem):
            published_members(archive_path, ("clicks.dat",))


def test_an_encrypted_archive_is_refused_in_a_short_sentence(tmp_path: Path) -> None:
    for header in (False, True):
        with py7zr.SevenZipFile(path := tmp_path / f"{header}.7z", "w", password="x") as archive:
            archive.set_encrypted_header(header)
            archive.writestr("1,2\n", "a.dat")
        with pytest.raises(UserError, match="needs a password"):
            unpack(path, {"a.dat": tmp_path / "a.dat"})
