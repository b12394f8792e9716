"""Reads what training and scoring need from a windows folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rabbithole.artifacts.data import EncoderFile, WindowsManifest
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.io.parts import data_files
from rabbithole.windows.arrays import Windows, read_windows, take
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE


@dataclass(frozen=True)
class Encoding:
    """How steps were encoded.

    sizes: the number of codes of each field; length: the window's steps; roots: the category tree's root of
    each category code, 0 where there is none, empty without a tree; files: those of the windows folder that
    encode new sessions.
    """

    sizes: dict[str, int]
    length: int
    roots: list[int]
    files: tuple[str, ...] = ()


def read_encoding(windows: Path) -> Encoding:
    """Check a windows folder's manifest and read how the windows were encoded."""
    manifest = WindowsManifest.of(windows)
    encoder = EncoderFile.read(windows / "encoder.json")
    sizes = {field: encoder.sizes[field] for field in CATEGORICAL}
    roots = [0] * FIRST_VALUE + encoder.roots if encoder.roots else []
    files = ("encoder.json",) if manifest.price_history is None else ("encoder.json", manifest.price_history)
    return Encoding(sizes, encoder.length, roots, files)


def read_split(windows: Path, split: str, encoding: Encoding) -> Windows:
    """Read one split; raises `UserError` when a code or a length does not fit the encoding."""
    return _checked(read_windows(data_files(windows / split)), windows / split, encoding)


def read_parts(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read one split part by part, in constant memory."""
    for file in data_files(windows / split):
        yield _checked(read_windows([file]), file, encoding)


def read_from_start(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read each session of valid or test from its first event on, part by part.

    Sessions longer than the window come with their first `length` events, not with their last.
    """
    for part in read_parts(windows, split, encoding):
        yield take(part, np.flatnonzero(part.events <= encoding.length))
    yield from read_parts(windows, f"{split}_prefixes", encoding)


def require_both_classes(windows: Windows, split: str) -> None:
    """Raise `UserError` for a split without buyers or without non-buyers."""
    buyers = int(windows.buyer.sum())
    if 0 < buyers < len(windows):
        return
    lack = "no buyer" if buyers == 0 else "only buyers"
    need = "training needs both classes" if split == "train" else f"AUC on {split} needs both classes"
    raise UserError(
        f"{split} has {plural(len(windows), 'session')} and {lack}; {need}. Take more sessions or other "
        "shares, and check that the log contains purchases."
    )


def _checked(windows: Windows, path: Path, encoding: Encoding) -> Windows:
    if len(windows) == 0:
        return windows
    if windows.lengths.min() < 1 or windows.lengths.max() > encoding.length:
        raise UserError(f"{path}: a session has no step or more than {encoding.length}.")
    for index, field in enumerate(CATEGORICAL):
        if windows.codes[:, index].max() >= encoding.sizes[field]:
            raise UserError(f"{path}: a code of {field!r} is not below its vocabulary's size.")
    return windows
