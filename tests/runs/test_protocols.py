"""The command of each published protocol uses the logs in the folders that the docs name."""

from pathlib import Path

import pytest
from workflow_runs import ROOT, snakemake

from rabbithole.simulator.write import simulate
from rabbithole.specs.data import SimulateSpec


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with small logs of both shops below `data`, in the published formats."""
    folder = tmp_path_factory.mktemp("protocols")
    for shop in ("yoochoose", "retailrocket"):
        simulate(SimulateSpec(shop=shop, sessions=50, seed=0), output=folder / "data" / shop)
    return folder


@pytest.mark.parametrize("protocol", "abcdefg")
def test_a_protocol_reads_the_published_log(protocol: str, base_folder: Path) -> None:
    done = snakemake(
        base_folder / f"protocol-{protocol}",
        "--dry-run",
        config=ROOT / f"config/protocols/{protocol}.yaml",
        tiny=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "simulate" not in done.stdout + done.stderr
