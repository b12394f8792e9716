"""Simulate a shop: write its raw log, its parameters, and the hidden truth."""

from pathlib import Path

from rabbithole.artifacts.data import RawFiles
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.simulator.registry import load_shop
from rabbithole.specs.data import SimulateSpec


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
