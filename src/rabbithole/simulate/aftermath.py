"""What follows the decision to buy: the purchase itself and the events after it, which no window may show."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulate.shop import Shop
from rabbithole.simulate.shoppers import Draws, Events

LARGEST_BASKET = 31


@dataclass(frozen=True)
class Aftermath:
    """Purchases, and further events of buyers; session counts within the chunk, item is a catalogue row.

    basket numbers the purchases of the chunk from 0: rows of one basket share a session and a time.
    """

    bought_session: NDArray[np.int64]
    bought_time: NDArray[np.int64]
    bought_item: NDArray[np.int32]
    basket: NDArray[np.int64]
    session: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: NDArray[np.int8]
    context: NDArray[np.int8]
    item: NDArray[np.int32]


def draw_aftermath(shop: Shop, draws: Draws, events: Events, random: np.random.Generator) -> Aftermath:
    """Draw what buyers buy and do afterwards.

    A purchase follows the last event by a minute or two and is never pushed beyond the log's end: whether a
    session fits into the log must not depend on whether it buys. Later events beyond the end are lost.
    """
    offsets = events.paths.offsets
    buyers = np.flatnonzero(events.paths.buyer)
    latest = shop.end_ms - 1
    paid = events.time[offsets[buyers + 1] - 1] + waits(90, 0.8, len(buyers), random)
    paid = np.minimum(paid, latest)
    again = np.flatnonzero(random.random(len(buyers)) < shop.buys_again)
    later = paid[again] + waits(4 * 86400, 1.5, len(again), random)
    session, time = np.concatenate([buyers, buyers[again]]), np.concatenate([paid, later])
    session, time = session[time <= latest], time[time <= latest]

    rows = np.minimum(random.geometric(1 - shop.bought_more, len(session)), LARGEST_BASKET)
    # Now and then somebody buys for a whole office.
    rows[random.random(len(session)) < 2e-4] = LARGEST_BASKET
    basket = np.repeat(np.arange(len(session)), rows)
    bought_session = session[basket]
    spot = random.random(len(basket)) * np.diff(offsets)[bought_session]
    bought_item = events.item[offsets[bought_session] + spot.astype(np.int64)]
    strange = random.random(len(basket)) < shop.bought_unseen
    bought_item[strange] = any_items(shop, draws, int(strange.sum()), random)

    going_on = random.random(len(buyers)) < shop.clicks_on
    more = np.where(going_on, random.geometric(1 - shop.clicks_more, len(buyers)), 0)
    owner = np.repeat(np.arange(len(buyers)), more)
    passed = np.cumsum(waits(60, 1.3, len(owner), random))
    firsts = np.cumsum(more) - more
    passed -= np.repeat(np.concatenate([[0], passed])[firsts], more)
    after = paid[owner] + passed
    kept = after <= latest
    owner, after = owner[kept], after[kept]
    state = events.paths.state[offsets[buyers[owner] + 1] - 1]
    return Aftermath(
        bought_session,
        time[basket],
        bought_item,
        basket,
        buyers[owner],
        after,
        draws.kind.draw(state, random).astype(np.int8),
        draws.context.draw(state, random).astype(np.int8) if draws.context else np.zeros(len(owner), np.int8),
        any_items(shop, draws, len(owner), random),
    )


def waits(median: float, sigma: float, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw lognormal waits, in milliseconds, at least 1; the median is in seconds."""
    return np.maximum(1, median * 1000 * np.exp(sigma * random.standard_normal(count))).astype(np.int64)


def any_items(shop: Shop, draws: Draws, count: int, random: np.random.Generator) -> NDArray[np.int32]:
    """Draw popular items of any class."""
    group = random.integers(0, shop.classes, count)
    return (draws.item.offsets[group] + draws.item.draw(group, random)).astype(np.int32)
