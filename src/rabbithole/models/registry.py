"""Models by name: `gru` is the class `Model` of `rabbithole.models.gru`.

Found by import when asked for, so that a model costs one file and no model's code counts as another's.
"""

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.windows.arrays import Windows


def model_class(name: str) -> Any:
    """Return the class of a model; `UserError` for a name that has none."""
    module = f"rabbithole.models.{name}"
    try:
        return importlib.import_module(module).Model
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    except AttributeError:
        pass
    raise UserError(f"models.{name}: there is no class Model in src/rabbithole/models/{name}.py")


class Estimator(ABC):
    """A model with a fit of its own."""

    @classmethod
    @abstractmethod
    def build(cls, *, settings: dict[str, Any], seed: int) -> "Estimator":
        """Return an unfitted model."""

    @abstractmethod
    def fit(
        self, train: Windows, weights: NDArray[np.float64], valid: Windows, *, prefixes: bool, shift: float
    ) -> list[dict[str, Any]]:
        """Fit on sessions with weights, float64 [n] (0: leave out); stop early on the AUC of `valid`.

        With `prefixes` it learns from each session's beginnings too, as from sessions still running.
        Returns, for each round, `epoch`, `loss`, `valid_loss` and `valid_auc`; `shift` is what makes log odds
        natural ones, for the valid loss alone.
        """

    @abstractmethod
    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return the log odds of a purchase, as trained (not shifted), float64 [len(steps), n].

        Step 0 is the ended session; k the session still running after its first k steps, NaN where it is
        shorter.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was fitted into a folder, which is there."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> "Estimator":
        """Read what `save` wrote; nothing in the file is run."""
