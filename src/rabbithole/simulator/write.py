"""Simulate a shop: write its raw log, its parameters, and the hidden truth."""

from pathlib import Path
from typing import Any, Protocol, cast

from rabbithole.artifacts.data import RawFiles
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.registry import load_module
from rabbithole.specs.data import SimulateSpec


class SimulatedShop(Protocol):
    """What the module of a simulated shop defines: its parameters, and how its log is written."""

    SHOP: Any

    def write_log(self, spec: SimulateSpec, folder: Path) -> None:
        """Write the raw files and all that the oracle needs into a folder."""


def load_shop(name: str) -> SimulatedShop:
    """Import the module of a simulated shop; raise `UserError` if there is none."""
    try:
        return cast(SimulatedShop, load_module("simulator", name))
    except ModuleNotFoundError as error:
        raise UserError(f"No simulated shop is called {name!r}.") from error


def simulate(spec: SimulateSpec, *, output: Path) -> None:
    """Write the simulated log of a shop: a folder of raw files, with all that its oracle needs.

    Equal specs give equal bytes. Raises `UserError` for an unknown shop, and when there is no session to
    simulate.
    """
    if spec.sessions < 1:
        raise UserError(f"{spec.sessions} sessions cannot be simulated: use at least 1.")
    shop = load_shop(spec.shop)
    with atomic_write(output) as folder:
        folder.mkdir()
        shop.write_log(spec, folder)
        RawFiles.seal(folder)
