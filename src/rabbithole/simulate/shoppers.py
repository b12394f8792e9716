"""Shoppers at work: starts, hidden paths, and the events that they show before they buy or leave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulate.catalogue import Catalogue
from rabbithole.simulate.chain import HOUR, Paths, draw_paths, hour_weights
from rabbithole.simulate.draws import Alias, alias
from rabbithole.simulate.shop import Shop, milliseconds

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
