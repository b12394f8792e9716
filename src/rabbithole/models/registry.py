"""Models by name: the classes `Settings` and `Model` of `rabbithole.models.NAME`, or of a user's file.

A model is imported only when it is asked for. So a model costs one file, and its code is part of no other
model's digest.
"""

import inspect
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
from flax import nnx
from numpy.typing import NDArray
from pydantic import ValidationError

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.training import CheckpointFiles, EpochMetrics, ModelDescription
from rabbithole.errors import OWN_MODEL, UserError, error_in_own_model
from rabbithole.models.settings import CombinationSettings, ModelSettings, NetworkSettings
from rabbithole.registry import load_module, module_name
from rabbithole.specs.base import JsonObject
from rabbithole.windows.arrays import Windows


class Estimator(ABC):
    """A model that fits itself, such as `models.estimators.AggregateModel`.

    unit: what a row of its history is.
    """

    unit: ClassVar[str] = "fit"

    def use_encoder(self, encoder: EncoderFile) -> None:
        """Take names of codes and scales of numbers; called before `fit`. Most models need nothing."""
        del encoder

    @abstractmethod
    def fit(
        self, train: Windows, weights: NDArray[np.float64], valid: Windows, *, prefixes: bool, shift: float
    ) -> list[EpochMetrics]:
        """Fit on weighted sessions, with `valid` for early stopping; return the metrics of each round.

        weights: float64 [n], 0 leaves a session out; prefixes: whether to train on every session's prefixes
        too, as running sessions; shift: added to the log odds to undo the balancing, for the valid loss only.
        """

    @abstractmethod
    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return the log odds of a purchase, as fitted (not shifted), float64 [len(steps), n].

        Step 0 is the ended session. Step k is the session still running after its first k steps, NaN for
        shorter sessions.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, without running any code from the file."""


class Combination(ABC):
    """A model of other models' calibrated log odds, such as `models.blend`. `Model(settings)` makes it."""

    @property
    @abstractmethod
    def members(self) -> list[str]:
        """Return the names of the models that were combined."""

    @abstractmethod
    def fit(self, log_odds: Mapping[str, NDArray[np.float64]], buyer: NDArray[np.int8]) -> None:
        """Fit on valid.

        log_odds: of each model, float64 [steps, n], NaN for shorter sessions; the first row is of ended
        sessions, the others of running ones; buyer: int8 [n].
        """

    @abstractmethod
    def combine(self, log_odds: Mapping[str, NDArray[np.float64]], steps: list[int]) -> NDArray[np.float64]:
        """Return combined log odds, float64 [len(steps), n]. Step 0 is the ended session."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted combination into an existing folder, without its members."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


@dataclass(frozen=True)
class ModelCode:
    """The code of a model, and its settings.

    place: where it is, for messages; model: the class `Model`, a Flax module or an `Estimator`. They are made
    by `model(settings, shape, rngs=rngs)` and `model(settings, seed=seed)`.
    """

    place: str
    settings: ModelSettings
    model: Any

    @property
    def is_network(self) -> bool:
        """Return whether the model is a network."""
        return isinstance(self.settings, NetworkSettings)

    @property
    def is_combination(self) -> bool:
        """Return whether the model combines others."""
        return isinstance(self.settings, CombinationSettings)


def model_code(name: str, settings: JsonObject, file: Path | None = None) -> ModelCode:
    """Return the code of a model of the package, or of a file, which is run.

    Raises `UserError` for an unknown name, a file that does not run or lacks a class, and settings that its
    class `Settings` refuses.
    """
    if file is None:
        module = _package_module(name)
        place = f"models.{name} (src/rabbithole/models/{name}.py)"
    else:
        module = _own_module(name, file)
        place = str(file)
    for attribute in ("Settings", "Model"):
        if not isinstance(getattr(module, attribute, None), type):
            raise UserError(f"{place}: there is no class {attribute}.")
    kind = module.Settings
    if not issubclass(kind, ModelSettings):
        raise UserError(
            f"{place}: the class Settings must be a subclass of ModelSettings or of NetworkSettings."
        )
    if issubclass(kind, NetworkSettings) and not issubclass(module.Model, nnx.Module):
        raise UserError(f"{place}: the settings are a network's, so Model must be a subclass of nnx.Module.")
    if file is None and issubclass(kind, CombinationSettings):
        wanted: type = Combination
    else:
        wanted = Estimator
    if not issubclass(kind, NetworkSettings) and not issubclass(module.Model, wanted):
        raise UserError(
            f"{place}: Model must be a subclass of AggregateModel, or Settings one of NetworkSettings."
        )
    try:
        parsed = kind.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{place}: its settings do not fit: {key}: {first['msg']}. Train again.") from error
    if file is not None:
        place = f"{file}:{inspect.getsourcelines(module.Model)[1]}"
    return ModelCode(place, parsed, module.Model)


def checkpoint_code(folder: Path, description: ModelDescription) -> ModelCode:
    """Return the code of a checkpoint's model: that of the package, or the file that was trained.

    Checks all files of the checkpoint first, as that file runs. Raises `UserError` where one is damaged.
    """
    CheckpointFiles.check(folder)
    file = None if description.file is None else folder / description.file
    return model_code(description.model, description.settings, file)


def _package_module(name: str) -> ModuleType:
    try:
        return load_module("model", name)
    except ModuleNotFoundError as error:
        if error.name != module_name("model", name):
            raise
    raise UserError(f"models.{name}: there is no src/rabbithole/models/{name}.py.")


def _own_module(name: str, file: Path) -> ModuleType:
    """Run a user's file as a module, which skops finds under its name when it reads an estimator.

    It leaves no bytecode beside the file, which may be in a checkpoint.
    """
    module = ModuleType(f"{OWN_MODEL}{name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except Exception as error:
        raise error_in_own_model(error) or error from error
    return module
