"""Faults on a cluster leave the bytes of an undisturbed build in local mode."""

from pathlib import Path

import pytest
from cluster_faults import (
    EAGER,
    PARTS,
    disturb,
    executor_killed,
    finish,
    options,
    outcome,
    start,
    task_stopped,
    worker_killed,
)
from spark_cluster import standalone_cluster

from rabbithole.simulator.write import simulate
from rabbithole.specs.data import SimulateSpec

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_a_lost_executor_a_slow_task_and_a_lost_worker_change_no_byte(tmp_path: Path) -> None:
    raw, undisturbed, folder = tmp_path / "raw", tmp_path / "undisturbed", tmp_path / "disturbed"
    simulate(SimulateSpec(shop="yoochoose", sessions=20_000, seed=1), output=raw)
    start(raw, undisturbed, options("local[2]")).join()
    expected = outcome(undisturbed)
    assert len(expected["sessions"]["files"]) >= PARTS
    with standalone_cluster(tmp_path) as cluster:
        process = start(raw, folder, options(cluster.address, **EAGER))
        disturb(process, folder, "events", executor_killed, cluster)
        disturb(process, folder, "sessions", task_stopped, cluster)
        disturb(process, folder, "windows", worker_killed, cluster)
        finish(process, folder, expected)
