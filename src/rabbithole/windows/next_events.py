"""What comes next, as classes: the type and the category of the event after each step of a window.

A session ends in a purchase or in no further event, so these two stand beside the types of events.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rabbithole.io.atomic import read_json
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING

EVENT, CATEGORY = CATEGORICAL.index("event"), CATEGORICAL.index("category")

PURCHASE, END, NO_CATEGORY = "purchase", "end", "no category"

MAX_CATEGORIES = 512
"""Where train holds more categories than this, the next one is not asked for: each costs an output a
step, and most are hardly ever seen."""

IGNORED = -1
"""In the place of a class: this step is not asked about."""

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Classes:
    """The names of the classes in their order.

    events: the types of events that train holds, then `purchase` and `end`. categories: those that train
    holds, then `no category` (the log gives none); empty where the next category is not asked for.
    """

    events: tuple[str, ...]
    categories: tuple[str, ...]


def read_classes(folder: Path) -> Classes:
    """Return the classes that an encoder (in a folder of windows or of a trained model) makes."""
    vocabularies = read_json(folder / "encoder.json")["vocabularies"]
    # Not there where the models are not shown it.
    categories = vocabularies.get("category", [])
    asked = 0 < len(categories) <= MAX_CATEGORIES
    return Classes((*vocabularies["event"], PURCHASE, END), (*categories, NO_CATEGORY) if asked else ())


def next_event_labels(windows: Windows, classes: Classes, length: int) -> tuple[Ints, Ints]:
    """Return the class of the next event and of its category for each step, int32 [total] each.

    `NOT_ASKED` stands where no model could know the class (train never held the type or the category);
    for the category also after a session's last event, which has no next one; and at the end of a window that
    does not hold its whole session, as sessions of more than `length` events.
    """
    following = np.roll(windows.codes[:, [EVENT, CATEGORY]], -1, axis=0)
    event = np.where(following[:, 0] >= FIRST_VALUE, following[:, 0] - FIRST_VALUE, IGNORED)
    category = np.where(following[:, 1] >= FIRST_VALUE, following[:, 1] - FIRST_VALUE, IGNORED)
    category[following[:, 1] == MISSING] = len(classes.categories) - 1
    last, whole = windows.offsets[1:] - 1, windows.events <= length
    purchase = len(classes.events) - 2
    event[last] = np.where(whole, np.where(windows.buyer == 1, purchase, purchase + 1), IGNORED)
    category[last] = IGNORED
    if not classes.categories:
        category[:] = IGNORED
    return event.astype(np.int32), category.astype(np.int32)
