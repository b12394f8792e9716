"""Models by name: `gru` is the class `Model` of `rabbithole.models.gru`.

A model is imported only when it is asked for. So a model costs one file, and its code is part of no other
model's digest.
"""

from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.training import EpochMetrics
from rabbithole.errors import UserError
from rabbithole.registry import load_module, module_name
from rabbithole.specs.training import TreesSettings
from rabbithole.windows.arrays import Windows


def model_class(name: str) -> Any:
    """Return the class of a model; raises `UserError` for an unknown name."""
    try:
        return load_module("model", name).Model
    except ModuleNotFoundError as error:
        if error.name != module_name("model", name):
            raise
    except AttributeError:
        pass
    raise UserError(f"models.{name}: there is no class Model in src/rabbithole/models/{name}.py")


@runtime_checkable
class Estimator(Protocol):
    """A model that fits itself. All other models are networks, which `training.trainer` trains."""

    def __init__(self, settings: TreesSettings, *, seed: int) -> None:
        """Create an unfitted model."""

    def fit(
        self, train: Windows, weights: NDArray[np.float64], valid: Windows, *, prefixes: bool, shift: float
    ) -> list[EpochMetrics]:
        """Fit on weighted sessions, and stop early on the AUC of `valid`; return the metrics of each round.

        weights: float64 [n], 0 leaves a session out; prefixes: whether to train on every session's prefixes
        too, as running sessions; shift: added to the log odds to undo the balancing, for the valid loss only.
        """

    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return the log odds of a purchase, as fitted (not shifted), float64 [len(steps), n].

        Step 0 is the ended session. Step k is the session still running after its first k steps, NaN for
        shorter sessions.
        """

    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, without running any code from the file."""
