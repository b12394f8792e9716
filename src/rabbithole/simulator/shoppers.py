"""Draw sessions: starts, hidden paths, events, purchases, and events after the purchase."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import AliasTable, Catalogue, alias_table
from rabbithole.simulator.chain import HOUR, WEEK, Paths, draw_paths, hour_shares
from rabbithole.simulator.shop import Ints, Shop

MAX_BASKET = 31
"""Rows of the largest purchase."""


@dataclass(frozen=True)
class Events:
    """Events of n sessions end to end; session i has the events paths.offsets[i]:paths.offsets[i + 1].

    time: int64, milliseconds since 1970. dwell: int64, milliseconds since the event before, 0 for a first
    event. event_type, context: int8, columns of `Shop.event_types` and `Shop.contexts`. item: int32, row of
    the catalogue.
    """

    paths: Paths
    time: Ints
    dwell: Ints
    event_type: NDArray[np.int8]
    context: NDArray[np.int8]
    item: NDArray[np.int32]


@dataclass(frozen=True)
class Samplers:
    """A shop's distributions, prepared once for all chunks.

    hour: of the log, in which a session starts; event_type, context, group of items: by state; item: by
    group. context is None if the shop has no contexts.
    """

    hour: AliasTable
    event_type: AliasTable
    context: AliasTable | None
    group: AliasTable
    item: AliasTable


def make_samplers(shop: Shop, catalogue: Catalogue) -> Samplers:
    """Prepare the distributions of a shop."""
    rare = np.array(shop.rare)[:, None]
    uniform = np.full((len(shop.states), shop.classes), 1 / shop.classes)
    return Samplers(
        hour=alias_table([hour_shares(shop)]),
        event_type=alias_table(list(np.array(shop.event_emission))),
        context=alias_table(list(np.array(shop.context_emission))) if shop.contexts else None,
        group=alias_table(list(np.hstack([(1 - rare) * shop.class_shares, rare * uniform]))),
        item=catalogue.sampler(),
    )


def draw_events(shop: Shop, samplers: Samplers, count: int, rng: np.random.Generator) -> Events:
    """Draw complete sessions, up to the last event before the shopper buys or leaves.

    A session that would end after the log starts earlier by as many weeks as needed. So the hour and the
    weekday, on which its initial state depends, stay the same. The dwell times of a session that is longer
    than the log are shortened.
    """
    hour = samplers.hour.draw(np.zeros(count, np.int64), rng).astype(np.int64)
    start = shop.begin_ms + hour * HOUR + rng.integers(0, HOUR, count)
    paths = draw_paths(shop, start, rng)
    first, length = paths.offsets[:-1], np.diff(paths.offsets)
    state, span = paths.state, shop.end_ms - shop.begin_ms

    dwell = draw_dwell(shop, state, rng)
    dwell[first] = 0
    elapsed = np.cumsum(dwell)
    duration = elapsed[first + length - 1] - elapsed[first]
    too_long = np.flatnonzero(duration >= span - WEEK)
    for session in too_long:
        part = slice(first[session] + 1, first[session] + length[session])
        dwell[part] = np.maximum(1, dwell[part] // (1 + duration[session] * 2 // span))
    if len(too_long):
        elapsed = np.cumsum(dwell)
        duration = elapsed[first + length - 1] - elapsed[first]
    start -= np.maximum(0, -((shop.end_ms - 1 - start - duration) // WEEK)) * WEEK
    start = np.maximum(start, shop.begin_ms)
    time = elapsed + np.repeat(start - elapsed[first], length)

    event_type = samplers.event_type.draw(state, rng).astype(np.int8)
    context = np.zeros(len(state), np.int8)
    if samplers.context is not None:
        shown = time >= shop.context_from_ms
        context[shown] = samplers.context.draw(state[shown], rng)
    return Events(paths, time, dwell, event_type, context, draw_items(shop, samplers, state, first, rng))


def draw_dwell(shop: Shop, state: NDArray[np.int8], rng: np.random.Generator) -> Ints:
    """Draw the times since the event before, in milliseconds, at least 1."""
    mean = np.log(np.array(shop.dwell_median, np.float32) * 1000)
    sigma = np.array(shop.dwell_sigma, np.float32)
    logarithm = rng.standard_normal(len(state), np.float32)
    logarithm *= sigma[state]
    logarithm += mean[state]
    dwell = np.exp(logarithm, dtype=np.float32).astype(np.int64)
    return np.clip(dwell, 1, int(shop.dwell_cap * 1000))


def draw_items(
    shop: Shop, samplers: Samplers, state: NDArray[np.int8], first: Ints, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw each event's item: the previous one, or a new one (which may be the same by chance)."""
    repeated = rng.random(len(state), np.float32) < np.array(shop.repeat, np.float32)[state]
    repeated[first] = False
    new = np.flatnonzero(~repeated)
    group = samplers.group.draw(state[new], rng)
    item = (samplers.item.offsets[group] + samplers.item.draw(group, rng)).astype(np.int32)
    # All events from a new item up to the next new one show that item.
    return np.repeat(item, np.diff(new, append=len(state)))


@dataclass(frozen=True)
class AfterPurchase:
    """Purchases, and the buyers' further events. Sessions count within the chunk; items are catalogue rows.

    basket: the purchase's number in the chunk, from 0. Rows of one basket share a session and a time.
    """

    bought_session: Ints
    bought_time: Ints
    bought_item: NDArray[np.int32]
    basket: Ints
    session: Ints
    time: Ints
    event_type: NDArray[np.int8]
    context: NDArray[np.int8]
    item: NDArray[np.int32]


def draw_after_purchase(
    shop: Shop, samplers: Samplers, events: Events, rng: np.random.Generator
) -> AfterPurchase:
    """Draw what buyers buy, and what they do afterwards.

    A purchase follows the last event by a minute or two. If that is after the log's end, it moves to the end:
    whether a session fits into the log must not depend on whether it buys. Later events after the end are
    dropped.
    """
    offsets = events.paths.offsets
    buyers = np.flatnonzero(events.paths.buyer)
    latest = shop.end_ms - 1
    paid = events.time[offsets[buyers + 1] - 1] + draw_waits(90, 0.8, len(buyers), rng)
    paid = np.minimum(paid, latest)
    again = np.flatnonzero(rng.random(len(buyers)) < shop.buys_again)
    later = paid[again] + draw_waits(4 * 86_400, 1.5, len(again), rng)
    session, time = np.concatenate([buyers, buyers[again]]), np.concatenate([paid, later])
    session, time = session[time <= latest], time[time <= latest]

    rows = np.minimum(rng.geometric(1 - shop.bought_more, len(session)), MAX_BASKET)
    # Very rarely a shopper buys for a whole office.
    rows[rng.random(len(session)) < 2e-4] = MAX_BASKET
    basket = np.repeat(np.arange(len(session)), rows)
    bought_session = session[basket]
    position = rng.random(len(basket)) * np.diff(offsets)[bought_session]
    bought_item = events.item[offsets[bought_session] + position.astype(np.int64)]
    unseen = rng.random(len(basket)) < shop.bought_unseen
    bought_item[unseen] = draw_popular_items(shop, samplers, int(unseen.sum()), rng)

    stays = rng.random(len(buyers)) < shop.clicks_on
    count = np.where(stays, rng.geometric(1 - shop.clicks_more, len(buyers)), 0)
    buyer = np.repeat(np.arange(len(buyers)), count)
    elapsed = np.cumsum(draw_waits(60, 1.3, len(buyer), rng))
    first = np.cumsum(count) - count
    elapsed -= np.repeat(np.concatenate([[0], elapsed])[first], count)
    after = paid[buyer] + elapsed
    kept = after <= latest
    buyer, after = buyer[kept], after[kept]
    state = events.paths.state[offsets[buyers[buyer] + 1] - 1]
    event_type = samplers.event_type.draw(state, rng).astype(np.int8)
    context = np.zeros(len(buyer), np.int8)
    if samplers.context is not None:
        context = samplers.context.draw(state, rng).astype(np.int8)
    return AfterPurchase(
        bought_session=bought_session,
        bought_time=time[basket],
        bought_item=bought_item,
        basket=basket,
        session=buyers[buyer],
        time=after,
        event_type=event_type,
        context=context,
        item=draw_popular_items(shop, samplers, len(buyer), rng),
    )


def draw_waits(median: float, sigma: float, count: int, rng: np.random.Generator) -> Ints:
    """Draw lognormal waits with a median in seconds; returns milliseconds, at least 1."""
    return np.maximum(1, median * 1000 * np.exp(sigma * rng.standard_normal(count))).astype(np.int64)


def draw_popular_items(
    shop: Shop, samplers: Samplers, count: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw popular items, all classes equally likely."""
    group = rng.integers(0, shop.classes, count)
    return (samplers.item.offsets[group] + samplers.item.draw(group, rng)).astype(np.int32)
