"""What a log's words for events mean (a view, an add-to-cart, a purchase), and which column holds them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from rabbithole.inspection.addresses import is_pattern, last_folder, page_name
from rabbithole.inspection.columns import Column, name_words
from rabbithole.inspection.event_words import (
    ADD_STEMS,
    AROUND_THANKS,
    BARE_CART,
    BOUGHT,
    CART,
    CART_STEMS,
    DONE,
    LIKELY_PURCHASE,
    MAYBE_PURCHASE,
    NOT_YET,
    PRODUCT_FOLDERS,
    PURCHASE,
    THANKS,
    VIEW,
)
from rabbithole.inspection.names import NAMES, SMALL_WORDS, squeezed
from rabbithole.inspection.roles import BY_VALUES, CAN_BE, EXACT, Choice, choose, name_score
from rabbithole.specs.table import CART as ADD_TO_CART
from rabbithole.specs.table import PURCHASE as TRANSACTION

MIN_REST_SHARE = 0.99
"""Share of the rows without a word in the first column that a second column must fill."""

CODE = re.compile(r"\d{1,3}|[A-Za-z]")
"""A word that says nothing: any of them may mean a purchase, and the rarest is the likeliest."""

BARE_CARTS = {squeezed(word) for word in BARE_CART}
PRODUCT_PAGES = {squeezed(word) for word in (*VIEW, *NAMES["item"], *PRODUCT_FOLDERS)}
ITEMS = {squeezed(word) for word in NAMES["item"]}
CARTS, ADDED = ([squeezed(stem) for stem in stems] for stems in (CART_STEMS, ADD_STEMS))


@dataclass(frozen=True)
class Words:
    """The meaning of a log's words.

    mapping: those that are translated; purchase: those that mean a purchase, probably if `likely`; maybe:
    those of which one may mean a purchase, where none is sure; alike: other words that differ by case or
    surrounding blanks alone; empty: what a line without a word is, empty if it is no event.
    """

    mapping: Mapping[str, str]
    purchase: tuple[str, ...] = ()
    likely: bool = False
    maybe: tuple[str, ...] = ()
    alike: tuple[tuple[str, ...], ...] = ()
    empty: str = ""


def meanings(counts: Mapping[str, int]) -> Words:
    """Return what words mean. counts: how often each occurs, the most frequent first."""
    mapping: dict[str, str] = {}
    views = _in(VIEW, counts)
    if views:
        mapping |= dict.fromkeys(_spellings("view" if "view" in counts else views[0], counts), "view")
    carts = _in(CART, counts)
    carts += [word for word in counts if word not in carts and _is_added(word)]
    # Beside a word for adding, `cart` alone is a look at the cart.
    adding = [word for word in carts if squeezed(word) not in BARE_CARTS]
    mapping |= dict.fromkeys(adding or carts, ADD_TO_CART)
    purchase, likely = _purchases(counts), False
    if not purchase:
        likely_words = _in(LIKELY_PURCHASE, counts) or [word for word in counts if _says_thanks(word)]
        purchase = _spellings(likely_words[0], counts) if likely_words else []
        likely = bool(purchase)
    maybe = () if purchase else _maybe(counts)
    if not mapping and not purchase and all(CODE.fullmatch(word) for word in counts):
        maybe = tuple([*counts][::-1])
    mapping |= dict.fromkeys(purchase, TRANSACTION)
    for word in counts:
        if is_pattern(word) and word not in mapping:
            mapping[word] = "view" if squeezed(last_folder(word)) in PRODUCT_PAGES else word.rstrip("*/?#&")
    kept = {word: meaning for word, meaning in mapping.items() if word != meaning}
    others = [word for word in counts if word not in mapping]
    groups = dict.fromkeys(tuple(_spellings(word, others)) for word in others)
    return Words(kept, tuple(purchase), likely, maybe, tuple(group for group in groups if len(group) > 1))


def _spellings(word: str, counts: Iterable[str]) -> list[str]:
    """Return the words that differ from one by case or surrounding blanks alone, itself included."""
    plain = word.strip().casefold()
    return [other for other in counts if other.strip().casefold() == plain]


def known_words(counts: Iterable[str]) -> bool:
    """Return whether there are words for purchases, or for carts and views."""
    listed = dict.fromkeys(counts, 1)
    return has_purchase(listed) or bool(_in(CART, listed) and _in(VIEW, listed))


def has_purchase(counts: Iterable[str]) -> bool:
    """Return whether there are words for purchases."""
    return bool(_purchases(dict.fromkeys(counts, 1)))


def _purchases(counts: Mapping[str, int]) -> list[str]:
    """Return the words for purchases: those that are listed, and others such as `Payment: completed`."""
    listed = _in(PURCHASE, counts)
    return listed + [word for word in counts if word not in listed and _is_done(word)]


def _is_done(word: str) -> bool:
    """Return whether a word names a purchase and says that it was made, and nothing else."""
    parts = _parts(word) - SMALL_WORDS - ITEMS
    if parts & THANKS:
        parts -= AROUND_THANKS
    return bool(parts & BOUGHT) and bool(parts & (DONE | THANKS)) and parts <= BOUGHT | DONE | THANKS


def _says_thanks(word: str) -> bool:
    """Return whether a word says thanks and nothing else, as the page after a purchase does."""
    parts = _parts(word) - SMALL_WORDS
    return bool(parts & THANKS) and parts <= THANKS | AROUND_THANKS


def _is_added(word: str) -> bool:
    """Return whether a word says that something was added to a cart, such as `Added 1 to my basket`."""
    parts = _parts(word)
    # Some scripts have no spaces between words.
    cart = any(
        part.startswith(stem) or (stem in part and not stem.isascii()) for part in parts for stem in CARTS
    )
    added = any(
        part.startswith(stem) or (stem in part and not stem.isascii()) for part in parts for stem in ADDED
    )
    return cart and (added or "add" in parts) and not parts & NOT_YET


def _parts(word: str) -> set[str]:
    return {squeezed(part) for part in name_words(re.sub("[.:]", " ", page_name(word)))}


def _maybe(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the words that may mean a purchase: those that are listed, and others with a word for one."""
    listed = _in(MAYBE_PURCHASE, counts)
    parts = {word: _parts(word) for word in counts if word not in listed and not _is_added(word)}
    return (*listed, *(word for word, known in parts.items() if known & BOUGHT and not known & NOT_YET))


def _in(known: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Return the words that are known, in the order of the list."""
    order = {squeezed(word): place for place, word in reversed(list(enumerate(known)))}
    names = {word: squeezed(page_name(word)) for word in counts}
    return sorted((word for word in counts if names[word] in order), key=lambda word: order[names[word]])


def choose_event(columns: Sequence[Column]) -> tuple[Choice, Column | None]:
    """Return the column with the kind of event, and the one that says it where the first is empty, or None.

    The first one's values are those of both.
    """
    choice = _by_name_or_words(columns)
    column = choice.column
    if column is None:
        return choice, None
    rest: Column | None = None
    if not has_purchase(column.counts):
        # Such as `event_type` with page views and product events, of which `product_action` says more.
        worded = [
            other
            for other in columns
            if other is not column and CAN_BE["event"](other) and has_purchase(other.counts)
        ]
        if len(worded) == 1:
            column, rest = worded[0], column
    if rest is None and column.filled < MIN_REST_SHARE:
        named = [other for other in columns if other is not column and other.filled > column.filled]
        rest = choose("event", named).column
    if rest is None or not _fills(column, rest):
        return choice, None
    both = Column(column.name, pc.coalesce(column.values, rest.values))
    return Choice(both, (), f"where it is empty, {rest.name} says what happened"), rest


def _fills(column: Column, rest: Column) -> bool:
    """Return whether a column is filled in nearly all rows in which another one is empty."""
    empty = rest.values.filter(column.values.is_null())
    return len(empty) > 0 and empty.null_count <= (1 - MIN_REST_SHARE) * len(empty)


def _by_name_or_words(columns: Sequence[Column]) -> Choice:
    """Return the column with the kind of event, by its name or by words that are known."""

    def bonus(column: Column) -> float:
        return 1.0 if known_words(column.counts) else 0.0

    choice = choose("event", columns, bonus=bonus)
    if (
        choice.column is not None
        and not bonus(choice.column)
        and name_score("event", choice.column) < EXACT - 0.9
    ):
        return Choice(None, (choice.column,), "none of its words is known")
    if choice.column is not None:
        return choice
    worded = [column for column in columns if CAN_BE["event"](column) and known_words(column.counts)]
    if len(worded) == 1:
        return Choice(worded[0], choice.others, BY_VALUES)
    return choice if choice.others or not worded else Choice(None, tuple(worded), "their words are known")
