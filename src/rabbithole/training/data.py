"""What training and scoring read of a windows folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rabbithole.errors import UserError
from rabbithole.io.atomic import read_json
from rabbithole.io.manifests import read_manifest
from rabbithole.io.parts import data_files
from rabbithole.windows.arrays import Windows, read_windows, take
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE


@dataclass(frozen=True)
class Encoding:
    """How steps were encoded.

    sizes: the number of codes of each field; length: the window's steps; roots: the root of the category tree
    above each category code, 0 where there is none, empty where there is no tree.
    """

    sizes: dict[str, int]
    length: int
    roots: list[int]


def read_encoding(windows: Path) -> Encoding:
    """Check a windows folder's manifest and read how it was encoded."""
    read_manifest(windows)
    encoder = read_json(windows / "encoder.json")
    sizes = {field: int(encoder["sizes"][field]) for field in CATEGORICAL}
    roots = [0] * FIRST_VALUE * bool(encoder["roots"]) + encoder["roots"]
    return Encoding(sizes, int(encoder["length"]), roots)


def read_split(windows: Path, split: str, encoding: Encoding) -> Windows:
    """Read one split; `UserError` when a code or a length is beyond what the encoder says."""
    return _checked(read_windows(data_files(windows / split)), windows / split, encoding)


def read_parts(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read one split part by part, in constant memory."""
    for file in data_files(windows / split):
        yield _checked(read_windows([file]), file, encoding)


def read_from_start(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read each session of valid or test from its first event on, part by part.

    Of sessions longer than the window these are the first `length` events, not the last.
    """
    for part in read_parts(windows, split, encoding):
        yield take(part, np.flatnonzero(part.events <= encoding.length))
    yield from read_parts(windows, f"{split}_beginnings", encoding)


def _checked(found: Windows, place: Path, encoding: Encoding) -> Windows:
    if len(found) == 0:
        return found
    if found.lengths.min() < 1 or found.lengths.max() > encoding.length:
        raise UserError(f"{place}: a session has no step or more than {encoding.length}.")
    for index, field in enumerate(CATEGORICAL):
        if found.codes[:, index].max() >= encoding.sizes[field]:
            raise UserError(f"{place}: a code of {field!r} is beyond its vocabulary's size.")
    return found


def refuse_one_class(windows: Windows, split: str) -> None:
    """Raise `UserError` for a split that holds no buyer, or nobody else."""
    buyers = int(windows.buyer.sum())
    if 0 < buyers < len(windows):
        return
    lack = "no buyer" if buyers == 0 else "nobody but buyers"
    need = "train needs both to learn from" if split == "train" else f"AUC on {split} needs both"
    raise UserError(
        f"{split} has {len(windows):,} sessions and {lack}; {need}. Take more sessions, or other shares; "
        "and see that the log holds purchases."
    )
