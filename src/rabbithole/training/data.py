"""Reads what training and scoring need from a windows folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rabbithole.artifacts.data import EncoderFile, Fields, WindowsManifest
from rabbithole.artifacts.training import ModelDescription
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.windows.arrays import Windows, read_windows, take
from rabbithole.windows.fields import FIRST_VALUE


@dataclass(frozen=True)
class Encoding:
    """How steps were encoded.

    fields: those of a step; sizes: the number of codes of each categorical field; length: a session's own
    steps in a window at most; history: those of earlier sessions, which come on top; roots: the category
    tree's root of each category code, 0 where there is none, empty without a tree;
    files: those of the windows folder that encode new sessions.
    """

    fields: Fields
    sizes: dict[str, int]
    length: int
    roots: list[int]
    files: tuple[str, ...] = ()
    history: int = 0

    @property
    def window(self) -> int:
        """Return the steps of a full window."""
        return self.length + self.history

    def fits(self, model: ModelDescription) -> bool:
        """Return whether a model was trained on windows with this encoding."""
        same = (model.fields, model.sizes, model.length, model.history)
        return same == (self.fields, self.sizes, self.length, self.history)


def read_encoding(windows: Path) -> Encoding:
    """Check a windows folder's manifest and read how the windows were encoded."""
    manifest = WindowsManifest.of(windows)
    encoder = EncoderFile.read(windows / "encoder.json")
    sizes = {field: encoder.sizes[field] for field in encoder.fields.categorical}
    roots = [0] * FIRST_VALUE + encoder.roots if encoder.roots else []
    files = ("encoder.json",) if manifest.price_history is None else ("encoder.json", manifest.price_history)
    return Encoding(encoder.fields, sizes, encoder.length, roots, files, encoder.history)


def read_split(windows: Path, split: str, encoding: Encoding) -> Windows:
    """Read one split; raises `UserError` when a code or a length does not fit the encoding."""
    parts = WindowsManifest.parts(windows, split)
    return _checked(read_windows(parts, encoding.fields), windows / split, encoding)


def read_parts(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read one split part by part, in constant memory."""
    for file in WindowsManifest.parts(windows, split):
        yield _checked(read_windows([file], encoding.fields), file, encoding)


def read_from_start(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read each session of valid or test from its first event on, part by part.

    Sessions longer than the window come with their first `length` events, not with their last.
    """
    for part in read_parts(windows, split, encoding):
        yield take(part, np.flatnonzero(part.events <= encoding.length))
    yield from read_parts(windows, f"{split}_prefixes", encoding)


def has_both_classes(windows: Windows) -> bool:
    """Return whether there are buyers and non-buyers."""
    return 0 < int(windows.buyer.sum()) < len(windows)


def require_both_classes(train: Windows) -> None:
    """Raise `UserError` for a train split without buyers or without non-buyers."""
    if has_both_classes(train):
        return
    lack = "only buyers" if len(train) and train.buyer.all() else "no buyer"
    raise UserError(
        f"train has {plural(len(train), 'session')} and {lack}; training needs both classes. Take more "
        "sessions or other shares, and check that the log contains purchases."
    )


def _checked(windows: Windows, path: Path, encoding: Encoding) -> Windows:
    if len(windows) == 0:
        return windows
    if windows.present.min() < 1 or windows.present.max() > encoding.length:
        raise UserError(f"{path}: a session has no step or more than {encoding.length}.")
    if windows.history.max() > encoding.history:
        raise UserError(f"{path}: a session has a history of more than {encoding.history} steps.")
    for index, field in enumerate(encoding.fields.categorical):
        if windows.codes[:, index].max() >= encoding.sizes[field]:
            raise UserError(f"{path}: a code of {field!r} is not below its vocabulary's size.")
    return windows
