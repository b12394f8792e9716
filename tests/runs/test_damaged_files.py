"""A dozen damaged files of a finished run; `make torture-files` damages hundreds."""

from pathlib import Path

import numpy as np
import pytest
from damaging import HARMLESS, REFUSED, Undamaged, steps_of
from step_server import Steps

pytestmark = [pytest.mark.slow, pytest.mark.spark]


def test_a_damaged_file_is_refused_or_changes_nothing(finished: Path, project: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    steps = {step.name: step for step in steps_of(finished, project)}
    with Steps() as server:
        undamaged = Undamaged(finished, tmp_path / "copy", server)
        tries = [undamaged.attempt(step, rng) for step in steps.values()]
    assert len(tries) >= 12
    assert [each for each in tries if each.outcome not in (REFUSED, HARMLESS)] == []
    assert sum(each.outcome == REFUSED for each in tries) >= 10
