"""Find simulated shops by name: the module `rabbithole.simulator.NAME` defines the shop NAME."""

from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from rabbithole.errors import UserError
from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.shop import Ints, Shop
from rabbithole.simulator.shoppers import AfterPurchase, Events


@dataclass(frozen=True)
class Chunk:
    """Sessions that are drawn and written together.

    sessions: the number of labelled sessions; first: the position of the first one among all labelled
    sessions; unlabelled, first_unlabelled: the same of the sessions that the log holds without their buys.
    """

    first: int
    sessions: int
    first_unlabelled: int
    unlabelled: int


class LogWriter(Protocol):
    """Writes the raw files of a shop chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the files in `folder`; the stack closes them."""

    def unlabelled(self, sessions: int) -> int:
        """Return how many unlabelled sessions the log holds besides so many labelled ones."""

    def session_numbers(self, chunk: Chunk) -> Ints:
        """Return the numbers of a chunk's sessions in the log: labelled ones, then unlabelled ones."""

    def write(
        self, chunk: Chunk, numbers: Ints, events: Events, after: AfterPurchase, rng: np.random.Generator
    ) -> None:
        """Write a chunk."""

    def finish(self, rng: np.random.Generator) -> None:
        """Write what does not belong to a chunk."""


class SimulatedShop(Protocol):
    """What the module of a simulated shop defines: the shop's parameters and the writer of its files."""

    SHOP: Shop
    Writer: type[LogWriter]


def load_shop(name: str) -> SimulatedShop:
    """Import the module of a simulated shop; raise `UserError` if there is none."""
    try:
        return cast(SimulatedShop, import_module(f"rabbithole.simulator.{name}"))
    except ModuleNotFoundError as error:
        raise UserError(f"No simulated shop is called {name!r}.") from error
