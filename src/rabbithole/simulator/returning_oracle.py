"""The oracle of returning visitors: the exact probabilities of a purchase, by the forward algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.errors import UserError
from rabbithole.simulator.oracle import Scores, write_scores
from rabbithole.simulator.returning import ReturningShop, Visits, read_visits
from rabbithole.simulator.shop import Floats, Ints
from rabbithole.specs.data import OracleSpec


def score_returning(spec: OracleSpec, *, sessions: Path, parameters: Path, output: Path) -> None:
    """Score the test sessions of a log of returning visitors; write scores.parquet.

    parameters: the simulator's parameters.json, with the visits beside it. The scores are those of
    `score_oracle`. With `earlier_sessions` they also know all sessions of the visitor before, so they are an
    upper bound for models of windows with history; else they know the session alone.

    Raises `UserError` when the sessions are not the simulated ones: there is no oracle for others.
    """
    values, visits, start = read_visits(parameters)
    if spec.earlier_sessions:
        posteriors = visit_posteriors(values.shop, visits, spec.steps)
    else:
        posteriors = session_posteriors(values.shop, visits, np.array(values.prior), spec.steps)
    keys = _keys(pa.array(visits.visitor), pa.array(start))

    def score(table: pa.Table) -> Scores:
        milliseconds = table["start"].cast(pa.timestamp("ms")).cast(pa.int64())
        place = pc.index_in(_keys(table["visitor"], milliseconds), keys)
        if place.null_count:
            raise UserError(
                "There is no oracle for these sessions: they are not the simulated ones. Build them by "
                "visitor with the gap of the simulated shop, 30 minutes, or turn the oracle off."
            )
        rows = place.to_numpy()
        scores = [(0, np.arange(len(rows)), posteriors.ended[rows])]
        for steps, running in zip(spec.steps, posteriors.running[:, rows], strict=True):
            long = np.flatnonzero(np.isfinite(running))
            scores.append((steps, long, running[long]))
        return scores

    write_scores(score, sessions, keep_open=spec.keep_open, output=output, columns=("visitor", "start"))


def _keys(visitor: pa.Array, start: pa.Array) -> pa.Array:
    """Return texts that name a session by its visitor and its start."""
    return pc.binary_join_element_wise(visitor.cast(pa.string()), start.cast(pa.string()), "@")


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
