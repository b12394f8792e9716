"""The settings that a model's file declares: the base classes of its class `Settings`.

A plan of the workflow reads a file's settings without running the rest of it (`config/model_files.py`), so
this module imports neither JAX nor scikit-learn.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue, field_validator

from rabbithole.specs.base import Spec, YamlNumbers, expand_home

Search = Mapping[str, tuple[JsonValue, ...]]
"""Values of settings to try, by key."""


class ModelSettings(Spec, YamlNumbers):
    """A model of your own, in a Python file outside the package."""

    search: ClassVar[Search] = {}
    """What `training.tune` tries. Empty: nothing, the model is trained once."""

    file: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Python file with the classes `Settings` and `Model`, relative to the folder in which "
        "the workflow runs, like `source` of a data set. It is run as code. All other keys are those of its "
        "class `Settings`.",
    )

    @field_validator("file")
    @classmethod
    def file_in_home(cls, file: str | None) -> str | None:
        """Read `~` as the user's home."""
        return None if file is None else expand_home(file)


class CombinationSettings(ModelSettings):
    """A model of the package that combines all other models of the settings."""


class NetworkSettings(ModelSettings):
    """A network, trained by gradient descent. The keys that the trainer and the shared embedding read."""

    search: ClassVar[Search] = {
        "embedding_width": (8, 32),
        "learning_rate": (0.001, 0.003, 0.01),
        "weight_decay": (0.0001, 0.1),
    }

    embedding_width: int = Field(
        32, ge=1, le=4096, description="Width of the item embedding; the other fields take less."
    )
    learning_rate: float = Field(0.003, gt=0, le=100, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, le=100, description="Weight decay of AdamW.")
