"""What a log's words for events mean: a view, an add-to-cart, a purchase."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rabbithole.inspection.names import (
    BARE_CART,
    CART,
    LIKELY_PURCHASE,
    MAYBE_PURCHASE,
    PURCHASE,
    VIEW,
    squeezed,
)
from rabbithole.specs.table import CART as ADD_TO_CART
from rabbithole.specs.table import PURCHASE as TRANSACTION

BARE_CARTS = {squeezed(word) for word in BARE_CART}


@dataclass(frozen=True)
class Words:
    """The meaning of a log's words.

    mapping: those that are translated; purchase: those that mean a purchase, probably if `likely`; maybe:
    those of which one may mean a purchase, where none is sure.
    """

    mapping: Mapping[str, str]
    purchase: tuple[str, ...] = ()
    likely: bool = False
    maybe: tuple[str, ...] = ()


def meanings(counts: Mapping[str, int]) -> Words:
    """Return what words mean. counts: how often each occurs, the most frequent first."""
    mapping: dict[str, str] = {}
    views = _in(VIEW, counts)
    if views and "view" not in counts:
        mapping[views[0]] = "view"
    carts = _in(CART, counts)
    # Beside a word for adding, `cart` alone is a look at the cart.
    adding = [word for word in carts if squeezed(word) not in BARE_CARTS]
    mapping |= dict.fromkeys(adding or carts, ADD_TO_CART)
    purchase, likely = _in(PURCHASE, counts), False
    if not purchase:
        purchase = _in(LIKELY_PURCHASE, counts)[:1]
        likely = bool(purchase)
    maybe = () if purchase else tuple(_in(MAYBE_PURCHASE, counts))
    mapping |= dict.fromkeys(purchase, TRANSACTION)
    kept = {word: meaning for word, meaning in mapping.items() if word != meaning}
    return Words(kept, tuple(purchase), likely, maybe)


def known_words(counts: Iterable[str]) -> bool:
    """Return whether words tell of purchases, or of carts and views."""
    found = dict.fromkeys(counts, 1)
    return bool(_in(PURCHASE, found)) or bool(_in(CART, found) and _in(VIEW, found))


def _in(known: list[str], counts: Mapping[str, int]) -> list[str]:
    """Return the words that are known, in the order of the list."""
    order = {squeezed(word): place for place, word in reversed(list(enumerate(known)))}
    return sorted(
        (word for word in counts if squeezed(word) in order), key=lambda word: order[squeezed(word)]
    )
