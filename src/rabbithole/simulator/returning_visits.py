"""Visitors who return: what lasts of a visitor across sessions, and drawing their sessions.

A visitor has a leaning to buy and a favourite category. Both are hidden and never change. The cart is seen in
the log: it holds something from a cart event until the next purchase, across sessions. At the start of each
session a hidden intention is drawn by the leaning and the cart.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rabbithole.artifacts.base import Record
from rabbithole.simulator.shop import Floats, Ints, Matrix, Vector

Bools = NDArray[np.bool_]


class ReturningShop(Record):
    """The parameters: L leanings, the categories, 2 intentions (none, to buy), 2 carts (empty, full).

    A session's intention is to buy with probability `intends[leaning][cart]`. Each event is a view, or with
    probability `carts[intention]` an add-to-cart. It shows the favourite category with probability
    `favourite[intention]`, else any category. After the event the visitor buys with probability
    `buy[intention][cart]`, or ends the session with probability `leave[intention]`. After a session the
    visitor returns with probability `returns[leaning]`, after a pause that is lognormal with median
    `pause_median[leaning]` hours and standard deviation `pause_sigma` of its logarithm, beyond `gap` hours.

    Raises `pydantic.ValidationError`, a ValueError, when the parameters are not a model.
    """

    leaning: Vector = (0.6, 0.3, 0.1)
    categories: int = 6
    intends: Matrix = ((0.04, 0.07), (0.08, 0.14), (0.16, 0.24))
    carts: Vector = (0.03, 0.25)
    favourite: Vector = (0.35, 0.7)
    buy: Matrix = ((0.001, 0.004), (0.03, 0.16))
    leave: Vector = (0.34, 0.2)
    returns: Vector = (0.55, 0.7, 0.8)
    pause_median: Vector = (150.0, 90.0, 40.0)
    pause_sigma: float = 1.0
    gap: float = 0.5

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        """Check the shapes, and that probabilities are probabilities."""
        levels = len(self.leaning)
        shapes = {"intends": (levels, 2), "carts": (2,), "favourite": (2,), "buy": (2, 2), "leave": (2,)}
        shapes |= {"returns": (levels,), "pause_median": (levels,)}
        for name, shape in shapes.items():
            if (actual := np.array(getattr(self, name)).shape) != shape:
                raise ValueError(f"{name} has the shape {actual}, not {shape}")
        for name in ("leaning", "intends", "carts", "favourite", "buy", "leave", "returns"):
            values = np.array(getattr(self, name))
            if values.min() < 0 or values.max() > 1:
                raise ValueError(f"{name} holds a value that is no probability")
        if not np.isclose(sum(self.leaning), 1, rtol=0, atol=1e-9):
            raise ValueError(f"leaning sums to {sum(self.leaning):.6g}, not to 1")
        if (np.array(self.buy) + np.array(self.leave)[:, None]).max() > 1:
            raise ValueError("buy + leave is more than 1 for an intention")
        if max(self.returns) == 1:
            raise ValueError("returns holds 1: a visitor would return for ever")
        return self


@dataclass(frozen=True)
class Visits:
    """Sessions of visitors, each visitor's one after another, and their events end to end.

    visitor: of each session; offsets: session i has the events offsets[i]:offsets[i + 1]; pause: hours since
    the visitor's session before, nan for the first; full: whether the cart holds something at its start;
    buyer: whether a purchase ends it. cart, category: of each event. leaning: hidden, of each session's
    visitor.
    """

    visitor: Ints
    offsets: Ints
    pause: Floats
    full: Bools
    buyer: Bools
    cart: Bools
    category: Ints
    leaning: Ints


def draw_visits(shop: ReturningShop, visitors: int, rng: np.random.Generator) -> Visits:
    """Draw the sessions of so many visitors, all up to the last return."""
    leaning = rng.choice(len(shop.leaning), visitors, p=shop.leaning)
    favourite = rng.integers(0, shop.categories, visitors)
    full = np.zeros(visitors, bool)
    number = 0
    sessions: list[tuple[Ints, Ints, Floats, Bools, Bools]] = []
    events: list[tuple[Ints, Ints, Ints, Bools, Ints]] = []
    active, pause = np.arange(visitors), np.full(visitors, np.nan)
    while len(active):
        bought, at_start = np.zeros(visitors, bool), full[active]
        probability = np.array(shop.intends)[leaning[active], full[active].astype(np.int64)]
        intention = np.zeros(visitors, np.int64)
        intention[active] = rng.random(len(active)) < probability
        running, place = active, 0
        while len(running):
            intent = intention[running]
            cart = rng.random(len(running)) < np.array(shop.carts)[intent]
            full[running] |= cart
            shown = rng.integers(0, shop.categories, len(running))
            liked = rng.random(len(running)) < np.array(shop.favourite)[intent]
            category = np.where(liked, favourite[running], shown)
            events.append(
                (running, np.full(len(running), number), np.full(len(running), place), cart, category)
            )
            buys = np.array(shop.buy)[intent, full[running].astype(np.int64)]
            chance = rng.random(len(running))
            bought[running] = chance < buys
            running = running[chance >= buys + np.array(shop.leave)[intent]]
            place += 1
        full[bought] = False
        sessions.append((active, np.full(len(active), number), pause, at_start, bought[active]))
        active = active[rng.random(len(active)) < np.array(shop.returns)[leaning[active]]]
        pause = draw_pauses(shop, leaning[active], rng)
        number += 1
    visitor, order_number, pauses, carried, buyer = (
        np.concatenate(part) for part in zip(*sessions, strict=True)
    )
    order = np.lexsort((order_number, visitor))
    of_visitor, of_number, places, carts, categories = (
        np.concatenate(part) for part in zip(*events, strict=True)
    )
    event_order = np.lexsort((places, of_number, of_visitor))
    starts = np.flatnonzero(places[event_order] == 0)
    return Visits(
        visitor[order],
        np.append(starts, len(places)),
        pauses[order],
        carried[order],
        buyer[order],
        carts[event_order],
        categories[event_order],
        leaning[visitor[order]],
    )


def draw_pauses(shop: ReturningShop, leaning: Ints, rng: np.random.Generator) -> Floats:
    """Draw the hours until the next session of visitors with these leanings; at least the gap."""
    logarithm = shop.pause_sigma * rng.standard_normal(len(leaning))
    return np.asarray(shop.gap + np.array(shop.pause_median)[leaning] * np.exp(logarithm))
