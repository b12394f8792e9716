"""What all specs share: strict parsing, and one JSON text for equal values."""

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue

JsonObject = dict[str, JsonValue]
"""Values whose keys are known only to the code that parses them, as a model's own settings are."""


class Spec(BaseModel):
    """Exactly the settings that one step reads. Unknown keys and wrong types are refused.

    Snakemake compares a job's params as text. So equal specs must give equal text (`to_json`), and a spec
    holds nothing that cannot change the step's result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Return the spec as JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the spec that `to_json` wrote; raises `pydantic.ValidationError` for any other text."""
        return cls.model_validate_json(text)


def to_json(values: Any) -> str:
    """Return plain values (paths by name, say) as JSON with sorted keys."""
    return json.dumps(values, sort_keys=True)
