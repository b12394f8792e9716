"""Shoppers at work: starts, hidden paths, and the events that they show before they buy or leave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import Alias, Catalogue, alias
from rabbithole.simulator.chain import HOUR, Paths, draw_paths, hour_weights
from rabbithole.simulator.shop import Shop, milliseconds

WEEK = 7 * 24 * HOUR


@dataclass(frozen=True)
class Events:
    """What n sessions show, laid end to end; session i's are paths.offsets[i]:paths.offsets[i + 1].

    time: int64 milliseconds since 1970. dwell: int64 milliseconds since the event before, 0 for a first
    event. kind, context: int8 columns of `Shop.kinds` and `Shop.contexts`. item: int32 row of the catalogue.
    """

    paths: Paths
    time: NDArray[np.int64]
    dwell: NDArray[np.int64]
    kind: NDArray[np.int8]
    context: NDArray[np.int8]
    item: NDArray[np.int32]


@dataclass(frozen=True)
class Draws:
    """The prepared distributions of a shop, made once for all chunks."""

    hours: Alias
    kind: Alias
    context: Alias | None
    group: Alias
    item: Alias


def prepare(shop: Shop, catalogue: Catalogue) -> Draws:
    """Prepare a shop's draws."""
    rare = np.array(shop.rare)[:, None]
    even = np.full((len(shop.states), shop.classes), 1 / shop.classes)
    return Draws(
        hours=alias([hour_weights(shop)]),
        kind=alias(list(np.array(shop.kind))),
        context=alias(list(np.array(shop.context))) if shop.contexts else None,
        group=alias(list(np.hstack([(1 - rare) * shop.class_shares, rare * even]))),
        item=catalogue.sampler(),
    )


def draw_events(shop: Shop, draws: Draws, count: int, random: np.random.Generator) -> Events:
    """Draw whole sessions, up to the last event before the purchase or the leaving.

    A session that would run beyond the log's end starts as many whole weeks earlier as it takes, so that
    the hour and the weekday, on which its first state depends, stay true; one longer than the log is
    hurried to fit.
    """
    hour = draws.hours.draw(np.zeros(count, np.int64), random).astype(np.int64)
    start = shop.begin_ms + hour * HOUR + random.integers(0, HOUR, count)
    paths = draw_paths(shop, start, random)
    first, length = paths.offsets[:-1], np.diff(paths.offsets)
    state = paths.state

    dwell = draw_dwell(shop, state, random)
    dwell[first] = 0
    since_chunk = np.cumsum(dwell)
    lasts = since_chunk[first + length - 1] - since_chunk[first]
    hurried = np.flatnonzero(lasts >= shop.end_ms - shop.begin_ms - WEEK)
    for session in hurried:
        part = slice(first[session] + 1, first[session] + length[session])
        dwell[part] = np.maximum(1, dwell[part] // (1 + lasts[session] * 2 // (shop.end_ms - shop.begin_ms)))
    if len(hurried):
        since_chunk = np.cumsum(dwell)
        lasts = since_chunk[first + length - 1] - since_chunk[first]
    start -= np.maximum(0, -((shop.end_ms - 1 - start - lasts) // WEEK)) * WEEK
    start = np.maximum(start, shop.begin_ms)
    time = since_chunk + np.repeat(start - since_chunk[first], length)

    kind = draws.kind.draw(state, random).astype(np.int8)
    context = np.zeros(len(state), np.int8)
    if draws.context is not None:
        shown = time >= milliseconds(shop.context_from)
        context[shown] = draws.context.draw(state[shown], random)
    return Events(paths, time, dwell, kind, context, draw_items(shop, draws, state, first, random))


def draw_dwell(shop: Shop, state: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.int64]:
    """Draw the time since the event before, in milliseconds, at least 1."""
    middle = np.log(np.array(shop.dwell_median, np.float32) * 1000)
    spread = np.array(shop.dwell_sigma, np.float32)
    logarithm = random.standard_normal(len(state), np.float32)
    logarithm *= spread[state]
    logarithm += middle[state]
    dwell = np.exp(logarithm, dtype=np.float32).astype(np.int64)
    return np.clip(dwell, 1, int(shop.dwell_cap * 1000))


def draw_items(
    shop: Shop,
    draws: Draws,
    state: NDArray[np.int8],
    first: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.int32]:
    """Draw each event's item: the one before again, or a new one (which may by chance be the same)."""
    again = random.random(len(state), np.float32) < np.array(shop.repeat, np.float32)[state]
    again[first] = False
    fresh = np.flatnonzero(~again)
    group = draws.group.draw(state[fresh], random)
    item = (draws.item.offsets[group] + draws.item.draw(group, random)).astype(np.int32)
    # The events after a new item, until the next new one, show that item.
    return np.repeat(item, np.diff(fresh, append=len(state)))


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
