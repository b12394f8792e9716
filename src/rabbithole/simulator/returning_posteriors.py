"""The oracle of returning visitors: the exact probability of a purchase, by the forward algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rabbithole.simulator.returning_visits import ReturningShop, Visits
from rabbithole.simulator.shop import Floats, Ints


@dataclass(frozen=True)
class VisitPosteriors:
    """P(buyer) of each session.

    ended: [sessions], given all its events and that it ended; running: [steps, sessions], given its first
    events and that it goes on or buys, nan for sessions with fewer events.
    """

    ended: Floats
    running: Floats


def visit_posteriors(shop: ReturningShop, visits: Visits, steps: Sequence[int]) -> VisitPosteriors:
    """Return the best possible scores from the sessions before and the events of this one.

    steps: numbers of events after which running sessions are scored.
    """
    first = np.flatnonzero(np.isnan(visits.pause))
    count = np.diff(np.append(first, len(visits.visitor)))
    ended, running = np.zeros(len(visits.visitor)), np.full((len(steps), len(visits.visitor)), np.nan)
    shape = (len(first), len(shop.leaning), shop.categories)
    lasting = np.broadcast_to(np.array(shop.leaning)[:, None] / shop.categories, shape).copy()
    full = np.zeros(len(first), bool)
    for number in range(int(count.max(initial=0))):
        active = np.flatnonzero(count > number)
        session = first[active] + number
        belief = lasting[active]
        if number:
            belief = belief * return_likelihood(shop, visits.pause[session])[:, :, None]
        cart = np.eye(2)[full[active].astype(np.int64)]
        start = belief[..., None] * cart[:, None, None, :]
        ended[session], running[:, session], end = follow(shop, visits, session, start, steps)
        bought = visits.buyer[session]
        lasting[active] = end.sum((3, 4))
        full[active] = ~bought & (end[..., 1].sum((1, 2, 3)) > 0)
    return VisitPosteriors(ended, running)


def session_posteriors(
    shop: ReturningShop, visits: Visits, prior: Floats, steps: Sequence[int]
) -> VisitPosteriors:
    """Return the best possible scores from this session alone.

    prior: shares of the leanings and carts at the start of a session, [leanings, 2]; steps: as above.
    """
    session = np.arange(len(visits.visitor))
    shape = (len(session), len(shop.leaning), shop.categories, 2)
    start = np.broadcast_to(prior[:, None, :] / shop.categories, shape)
    ended, running, _ = follow(shop, visits, session, start, steps)
    return VisitPosteriors(ended, running)


def return_likelihood(shop: ReturningShop, pause: Floats) -> Floats:
    """Return the likelihood of a return after this pause, up to a common factor; [n, leanings]."""
    distance = np.log((pause - shop.gap)[:, None] / np.array(shop.pause_median)) / shop.pause_sigma
    return np.asarray(np.array(shop.returns) * np.exp(-0.5 * distance**2))


def follow(
    shop: ReturningShop, visits: Visits, session: Ints, start: Floats, steps: Sequence[int]
) -> tuple[Floats, Floats, Floats]:
    """Follow sessions from beliefs at their start, [n, leaning, category, cart], to their end.

    Returns P(buyer | ended), [n]; P(will buy | the first events), [steps, n]; and the beliefs after the end
    was seen, [n, leaning, category, intention, cart], normalised.
    """
    intends = np.array(shop.intends)
    by_intention = np.stack([1 - intends, intends], 1)  # [leaning, intention, cart]
    belief = start[:, :, :, None, :] * by_intention[None, :, None, :, :]
    belief = belief / belief.sum((1, 2, 3, 4), keepdims=True)
    buy = np.array(shop.buy)
    leave = np.broadcast_to(np.array(shop.leave)[:, None], buy.shape)
    value = purchase_values(shop)
    length = np.diff(visits.offsets)[session]
    ended, running = np.zeros(len(session)), np.full((len(steps), len(session)), np.nan)
    for place in range(int(length.max(initial=0))):
        index = np.flatnonzero(length > place)
        event = visits.offsets[session[index]] + place
        now = belief[index]
        if place:
            now = now * (1 - buy - leave)
        now = observe_event(shop, now, visits, event)
        now /= now.sum((1, 2, 3, 4), keepdims=True)
        belief[index] = now
        for row in np.flatnonzero(np.equal(steps, place + 1)):
            running[row, index] = (now * value).sum((1, 2, 3, 4))
        last = length[index] == place + 1
        buying, leaving = ((now[last] * part).sum((1, 2, 3, 4)) for part in (buy, leave))
        ended[index[last]] = buying / (buying + leaving)
    belief *= np.where(visits.buyer[session][:, None, None], buy, leave)[:, None, None]
    return ended, running, belief / belief.sum((1, 2, 3, 4), keepdims=True)


def observe_event(shop: ReturningShop, belief: Floats, visits: Visits, event: Ints) -> Floats:
    """Return beliefs times the likelihood of an event each; an add-to-cart fills the cart."""
    cart, category = visits.cart[event], visits.category[event]
    carts, favourite = np.array(shop.carts), np.array(shop.favourite)
    kind = np.where(cart[:, None], carts, 1 - carts)  # [n, intention]
    liked = np.arange(shop.categories) == category[:, None]  # [n, category]
    shown = (1 - favourite) / shop.categories + favourite * liked[:, :, None]  # [n, category, intention]
    likelihood = kind[:, None, :] * shown
    belief = belief * likelihood[:, None, :, :, None]
    belief[cart, ..., 1] += belief[cart, ..., 0]
    belief[cart, ..., 0] = 0
    return belief


def purchase_values(shop: ReturningShop) -> Floats:
    """Return P(the session will hold a purchase) after an event, its end unknown; [intention, cart]."""
    buy, leave, carts = np.array(shop.buy), np.array(shop.leave)[:, None], np.array(shop.carts)
    stay = 1 - buy - leave
    full = buy[:, 1] / (1 - stay[:, 1])
    empty = (buy[:, 0] + stay[:, 0] * carts * full) / (1 - stay[:, 0] * (1 - carts))
    return np.stack([empty, full], 1)
