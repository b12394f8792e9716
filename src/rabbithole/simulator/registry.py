"""Find simulated shops by name: the module `rabbithole.simulator.NAME` defines the shop NAME."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from rabbithole.errors import UserError
from rabbithole.registry import load_module
from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.shop import Ints, Shop
from rabbithole.simulator.shoppers import AfterPurchase, Events


@dataclass(frozen=True)
class Chunk:
    """Sessions that are drawn and written together.

    first: labelled sessions before the chunk; labelled, unlabelled: sessions in it. The log does not hold
    the buys of unlabelled sessions.
    """

    first: int
    labelled: int
    unlabelled: int


class LogWriter(Protocol):
    """Writes the raw files of a shop chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the files in `folder`; the stack closes them."""

    def unlabelled(self, sessions: int) -> int:
        """Return the number of unlabelled sessions in a log with this number of labelled sessions."""

    def session_numbers(self, chunk: Chunk) -> Ints:
        """Return the numbers in the log of a chunk's labelled sessions, then of its unlabelled ones."""

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
        return cast(SimulatedShop, load_module("simulator", name))
    except ModuleNotFoundError as error:
        raise UserError(f"No simulated shop is called {name!r}.") from error
