"""What all sections of config.yaml share."""

from typing import Annotated

from pydantic import ConfigDict, Field

from rabbithole.specs.base import YamlNumbers

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Amount = Annotated[float, Field(gt=0, le=1e12)]
"""A sum of money, in any currency."""

MAX_NAME = 60
"""Letters of a name that becomes part of file names; file systems allow 255 bytes for all of them."""

DatasetName = Annotated[str, Field(pattern="^[a-z][a-z0-9_-]*$", max_length=MAX_NAME)]
ModelName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=MAX_NAME)]


class Section(YamlNumbers):
    """A part of config.yaml. Unknown keys and wrong types are refused. Only `1e-3` and `~` are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
