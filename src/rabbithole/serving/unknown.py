"""Counts events that a model scores although it does not know their kind or their item."""

import logging
from collections import Counter

from rabbithole.artifacts.data import Fields
from rabbithole.errors import printable
from rabbithole.serving.live_encoder import LiveEvent
from rabbithole.serving.steppers import Step
from rabbithole.windows.fields import UNSEEN

LOGGER = logging.getLogger("rabbithole")

WARNED_WORDS = 10
"""Kinds of events that warnings name; further ones are only counted."""


class UnknownValues:
    """Counts events whose kind or item train does not contain. counts: of `unknown event`, `unknown item`.

    expected: kinds that the model has no code for, but that have a meaning of their own.
    """

    def __init__(self, fields: Fields, counts: Counter[str], expected: frozenset[str]) -> None:
        self.places = {
            name: fields.categorical.index(name) for name in ("event", "item") if name in fields.categorical
        }
        self.counts, self.expected = counts, expected
        self.words: set[str] = set()

    def count(self, event: LiveEvent, step: Step) -> None:
        """Count an event by its step; warn of the first one of each kind that is unknown."""
        codes, _ = step
        for name, place in self.places.items():
            if codes[place] != UNSEEN or (name == "event" and event.event in self.expected):
                continue
            self.counts[f"unknown {name}"] += 1
            if name == "event":
                self._warn(event.event)

    def _warn(self, word: str) -> None:
        if word in self.words or len(self.words) == WARNED_WORDS:
            return
        self.words.add(word)
        LOGGER.warning(
            "The model knows no event %r. Such events are scored and counted. If it is a purchase, send "
            "`transaction`; if it is an add-to-cart, `addtocart`.",
            printable(word[:100]),
        )
