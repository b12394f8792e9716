"""The parameters of a simulated shop: a hidden Markov model of its shoppers, and its catalogue."""

from datetime import UTC, datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rabbithole.artifacts.base import Artifact, Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]

PER_STATE = (
    *("initial", "initial_quarter", "initial_weekend", "initial_season", "transition", "buy", "leave"),
    *("event_emission", "repeat", "rare", "tilt", "dwell_median", "dwell_sigma"),
)
"""Fields with one entry per hidden state; `context_emission` may also be empty."""


class Shop(Record):
    """A hidden Markov model with S states.

    A shopper in state z emits an event. Then it buys with probability `buy[z]`, leaves with probability
    `leave[z]`, or moves to another state by row z of `transition`. Only the initial distribution depends on
    the clock. Given the state, the parts of an event are independent of each other:

    * its type, by row z of `event_emission` (columns: `event_types`);
    * its context, by row z of `context_emission` (columns: `contexts`). Before `context_from` every event
      shows the first context, which is the missing one. A shop without categories has no contexts;
    * its item: the item of the event before with probability `repeat[z]`, else a new one. A new item is one
      of the rare items with probability `rare[z]`, else a popular one. The class x in [-1, 1] of a popular
      item has the weight exp(`tilt[z]` x); all classes of rare items are equally likely;
    * the time since the event before: lognormal with median `dwell_median[z]` seconds and standard deviation
      `dwell_sigma[z]` of its logarithm, at most `dwell_cap` seconds.

    Raises `pydantic.ValidationError`, a ValueError, when the parameters are not a model.
    """

    format: str
    states: tuple[str, ...]
    # The clock: the log's span (ISO times, UTC), the shop's time zone, and the weights of the hours of the
    # day and of the weekdays (from Monday) in which sessions start.
    begin: str
    end: str
    utc_offset_hours: int
    hour_weight: Vector
    weekday_weight: Vector
    # The initial distribution, and factors on it: by the quarter of the day (from 0, 6, 12, 18 o'clock; a row
    # per state), at weekends, and at the top of a season's wave (13 weeks; the inverse at the bottom).
    initial: Vector
    initial_quarter: Matrix
    initial_weekend: Vector
    initial_season: Vector
    # The chain.
    transition: Matrix
    buy: Vector
    leave: Vector
    # The emissions. An event shows category floor(n u**skew) of the n categories of its context, with u
    # uniform between 0 and 1.
    event_types: tuple[str, ...]
    event_emission: Matrix
    contexts: tuple[str, ...]
    context_emission: Matrix
    context_from: str
    categories: tuple[tuple[str, ...], ...]
    category_skew: Vector
    repeat: Vector
    rare: Vector
    tilt: Vector
    dwell_median: Vector
    dwell_sigma: Vector
    dwell_cap: float
    # The catalogue. At `full_sessions` sessions it holds `full_popular` + `full_rare` items. With fewer
    # sessions, popular items shrink with the square root and rare ones in proportion, so that rare stays
    # rare. Item numbers are drawn from a range of `item_spacing` times the number of items. Prices are
    # lognormal around a median that grows with the class, and are rounded to multiples of `price_step`.
    classes: int
    full_sessions: int
    full_popular: int
    full_rare: int
    zipf_shift: float
    first_item: int
    item_spacing: int
    price_median: float
    price_slope: float
    price_sigma: float
    price_step: int
    # After the purchase, which no window may show. Probabilities: of one more row in the same purchase, that
    # a row's item was not viewed before, of a second purchase, of further events, and of each next one.
    bought_more: float
    bought_unseen: float
    buys_again: float
    clicks_on: float
    clicks_more: float

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        """Check the shapes, and that distributions sum to 1."""
        for name in [*PER_STATE, *(["context_emission"] if self.contexts else [])]:
            if (count := len(getattr(self, name))) != len(self.states):
                raise ValueError(f"{name} has {count} entries, not one for each of {len(self.states)} states")
        for name in ("categories", "category_skew"):
            if len(getattr(self, name)) != len(self.contexts):
                raise ValueError(f"{name} does not have one entry for each of `contexts`")
        for name, columns in (
            ("transition", self.states),
            ("event_emission", self.event_types),
            ("context_emission", self.contexts),
        ):
            for state, row in zip(self.states, getattr(self, name), strict=False):
                if len(row) != len(columns) or not np.isclose(sum(row), 1, rtol=0, atol=1e-9):
                    raise ValueError(
                        f"{name} is not a distribution over {len(columns)} values in state {state}"
                    )
        if not np.isclose(sum(self.initial), 1, rtol=0, atol=1e-9):
            raise ValueError(f"initial sums to {sum(self.initial):.6g}, not to 1")
        for state, ending in zip(self.states, self.ending, strict=True):
            if ending > 1:
                raise ValueError(f"buy + leave is {ending:.6g} in state {state}, more than 1")
        return self

    @property
    def ending(self) -> Floats:
        """Probability that the session ends after an event, by buying or by leaving; [S]."""
        return np.array(self.buy) + np.array(self.leave)

    @property
    def continuation(self) -> Floats:
        """Probability that the session continues, and in which state: rows sum to 1 - `ending`; [S, S]."""
        return np.array(self.transition) * (1 - self.ending)[:, None]

    @property
    def class_position(self) -> Floats:
        """Position of each class, evenly from -1 (cheap) to 1 (expensive); [classes]."""
        return np.linspace(-1, 1, self.classes)

    @property
    def class_shares(self) -> Floats:
        """Shares of the classes among a state's new popular items; [S, classes]."""
        weights = np.exp(np.outer(self.tilt, self.class_position))
        return np.asarray(weights / weights.sum(1, keepdims=True))

    @property
    def category_names(self) -> list[str]:
        """The categories of all contexts, context by context."""
        return [name for names in self.categories for name in names]

    @property
    def category_shares(self) -> Floats:
        """Share of each of `category_names` in each context; [contexts, categories]."""
        shares = np.zeros((len(self.contexts), len(self.category_names)))
        first = 0
        for row, names, skew in zip(shares, self.categories, self.category_skew, strict=True):
            size = len(names)
            row[first : first + size] = np.diff((np.arange(size + 1) / size) ** (1 / skew))
            first += size
        return shares

    @property
    def begin_ms(self) -> int:
        """The log's first moment in milliseconds since 1970."""
        return milliseconds(self.begin)

    @property
    def end_ms(self) -> int:
        """The end of the log (exclusive) in milliseconds since 1970."""
        return milliseconds(self.end)

    @property
    def context_from_ms(self) -> int:
        """The time from which on the log shows contexts, in milliseconds since 1970."""
        return milliseconds(self.context_from)


class SimulatorParameters(Artifact):
    """parameters.json: everything that the oracle needs. items: the file of the catalogue beside it."""

    kind = "simulator parameters"
    rule = "simulate"

    sessions: int
    seed: int
    items: str
    shop: Shop


def milliseconds(moment: str) -> int:
    """Return an ISO time (UTC) as milliseconds since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Return the independent stream of random numbers of a key."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))
