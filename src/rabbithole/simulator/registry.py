"""Find simulated shops by name: the module `rabbithole.simulator.NAME` defines the shop NAME."""

from pathlib import Path
from typing import Any, Protocol, cast

from rabbithole.errors import UserError
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
