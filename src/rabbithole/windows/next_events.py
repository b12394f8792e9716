"""Labels of the next event: the type and the category of the event after each step of a window.

A session ends with a purchase or without a further event. These two outcomes are classes besides the event
types.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile
from rabbithole.windows.arrays import Windows
from rabbithole.windows.encoder import ENCODER_FILE
from rabbithole.windows.fields import FIRST_VALUE, MISSING

PURCHASE, END, NO_CATEGORY = "purchase", "end", "no category"

MAX_CATEGORIES = 512
"""With more categories in train, the next one is not predicted: each costs an output per step, and most are
very rare."""

IGNORED = -1
"""The label of a step that counts in neither loss nor metrics."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Classes:
    """The names of the classes, in order.

    events: the event types of train, then `purchase` and `end`. categories: those of train, then
    `no category` (the log contains none); empty if the next category is not predicted.
    """

    events: tuple[str, ...]
    categories: tuple[str, ...]


def read_classes(folder: Path) -> Classes:
    """Return the classes for the encoder in a folder of windows or of a trained model."""
    vocabularies = EncoderFile.read(folder / ENCODER_FILE).vocabularies
    # The encoder has no categories if the models must not see them.
    categories = tuple(map(str, vocabularies.get("category", [])))
    if 0 < len(categories) <= MAX_CATEGORIES:
        categories += (NO_CATEGORY,)
    else:
        categories = ()
    return Classes((*map(str, vocabularies["event"]), PURCHASE, END), categories)


def next_event_labels(windows: Windows, classes: Classes, length: int) -> tuple[Labels, Labels]:
    """Return the class of the next event and of its category for each step, int32 [total] each.

    length: steps of a full window. A label is `IGNORED` where no model could know the class, as train does
    not contain the type or the category. So is the last step of a window that is cut short (its session has
    more than `length` events), and for the category, the last step of every session, and all
    steps of the history.
    """
    event, category = (_following_classes(windows, field) for field in ("event", "category"))
    category[category == MISSING - FIRST_VALUE] = len(classes.categories) - 1
    event[event < 0] = category[category < 0] = IGNORED
    last, complete = windows.offsets[1:] - 1, windows.events <= length
    purchase = len(classes.events) - 2
    event[last] = np.where(complete, np.where(windows.buyer == 1, purchase, purchase + 1), IGNORED)
    category[last] = IGNORED
    step = np.arange(len(event)) - np.repeat(windows.offsets[:-1], windows.lengths)
    earlier = step < np.repeat(windows.history, windows.lengths)
    event[earlier] = category[earlier] = IGNORED
    if not classes.categories:
        category[:] = IGNORED
    return event.astype(np.int32), category.astype(np.int32)


def _following_classes(windows: Windows, field: str) -> NDArray[np.int32]:
    """Return the code of the next step less `FIRST_VALUE`, int32 [total]; as if missing without the field."""
    codes = windows.codes_of(field)
    if codes is None:
        return np.full(len(windows.codes), MISSING - FIRST_VALUE, np.int32)
    return np.roll(codes, -1) - np.int32(FIRST_VALUE)
