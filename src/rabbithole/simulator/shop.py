"""What the simulator must be told about a shop: a closed record of plain numbers, readable from JSON."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shop:
    """A hidden Markov shopper and the shop that it moves through.

    With S states. A shopper in state z emits an event; then it buys with probability `buy[z]`, leaves with
    `leave[z]`, or goes on to another state by row z of `go`. Only the first state depends on the clock.
    Given the state, the parts of an event are independent of each other:

    * its type, by row z of `kind` (columns: `kinds`);
    * its context, by row z of `context` (columns: `contexts`; none where the shop's log has no contexts,
      and always the missing one before `context_from`);
    * the item: the one before again with probability `repeat[z]`, else a new one, drawn from the rare items
      with probability `rare[z]`, else from the popular ones; a popular item's class x in [-1, 1] has weight
      exp(`tilt[z]` x), a rare item's class is the same for all states;
    * the time since the event before: lognormal with median `dwell_median[z]` seconds and deviation
      `dwell_sigma[z]` of its logarithm, cut at `dwell_cap` seconds.
    """

    format: str
    states: tuple[str, ...]
    # The clock: the log's span in UTC, the shop's distance from UTC, and when shoppers come.
    begin: str
    end: str
    clock_hours: int
    hour_weight: tuple[float, ...]
    weekday_weight: tuple[float, ...]
    # The first state: shares, and factors on them by the quarter of the day (from 0, 6, 12, 18 o'clock), at
    # weekends, and at the top of a season's wave (13 weeks; its inverse at the bottom).
    initial: tuple[float, ...]
    initial_quarter: tuple[tuple[float, ...], ...]
    initial_weekend: tuple[float, ...]
    initial_season: tuple[float, ...]
    # The chain.
    go: tuple[tuple[float, ...], ...]
    buy: tuple[float, ...]
    leave: tuple[float, ...]
    # What an event shows.
    kinds: tuple[str, ...]
    kind: tuple[tuple[float, ...], ...]
    contexts: tuple[str, ...]
    context: tuple[tuple[float, ...], ...]
    context_from: str
    repeat: tuple[float, ...]
    rare: tuple[float, ...]
    tilt: tuple[float, ...]
    dwell_median: tuple[float, ...]
    dwell_sigma: tuple[float, ...]
    dwell_cap: float
    # The catalogue: at `full_sessions` sessions it holds `full_popular` + `full_rare` items; popular ones
    # shrink with the root of the number of sessions, rare ones in proportion, so that rare stays rare.
    classes: int
    full_sessions: int
    full_popular: int
    full_rare: int
    zipf_shift: float
    price_middle: float
    price_slope: float
    price_spread: float
    # After the purchase, which no window may show: rows bought and events added.
    bought_more: float
    bought_unseen: float
    buys_again: float
    clicks_on: float
    clicks_more: float

    def __post_init__(self) -> None:
        """Refuse rows that are no distributions (ValueError)."""
        for name in ("go", "kind", "context"):
            rows = np.array(getattr(self, name), float)
            if rows.size and not np.allclose(rows.sum(1), 1, atol=1e-9):
                raise ValueError(f"{name}: a row does not sum to 1")
        if not np.isclose(sum(self.initial), 1, atol=1e-9):
            raise ValueError("initial: does not sum to 1")
        if (self.ending > 1).any():
            raise ValueError("buy + leave: more than 1")
        for name in ("initial_weekend", "initial_season", "go", "buy", "leave", "kind", "repeat", "rare"):
            if len(getattr(self, name)) != len(self.states):
                raise ValueError(f"{name}: not one entry a state")

    @property
    def ending(self) -> Floats:
        """Probability that the session ends at an event, by buying or by leaving; [S]."""
        return np.array(self.buy) + np.array(self.leave)

    @property
    def running(self) -> Floats:
        """Probability of going on from one state to another: `go`, less what ends; [S, S]."""
        return np.array(self.go) * (1 - self.ending)[:, None]

    @property
    def class_position(self) -> Floats:
        """Where each class stands, evenly from -1 (cheap) to 1 (dear); [classes]."""
        return np.linspace(-1, 1, self.classes)

    @property
    def class_shares(self) -> Floats:
        """Shares of the classes among a state's new popular items; [S, classes]."""
        weights = np.exp(np.outer(self.tilt, self.class_position))
        return np.asarray(weights / weights.sum(1, keepdims=True))

    @property
    def begin_ms(self) -> int:
        """The log's first moment in milliseconds since 1970."""
        return milliseconds(self.begin)

    @property
    def end_ms(self) -> int:
        """The moment after the log's last, in milliseconds since 1970."""
        return milliseconds(self.end)


def milliseconds(moment: str) -> int:
    """Return an ISO moment, UTC, as milliseconds since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def to_json(shop: Shop) -> dict[str, Any]:
    """Return the shop as plain data."""
    return asdict(shop)


def from_json(data: dict[str, Any]) -> Shop:
    """Return the shop that `to_json` gave; a missing or unknown key is a TypeError."""

    def plain(value: Any) -> Any:
        return tuple(plain(entry) for entry in value) if isinstance(value, list) else value

    unknown = set(data) - {field.name for field in fields(Shop)}
    if unknown:
        raise TypeError(f"unknown key: {min(unknown)}")
    return Shop(**{key: plain(value) for key, value in data.items()})
