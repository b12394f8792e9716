"""Models by name: `gru` is the class `Model` of `rabbithole.models.gru`.

Found by import when asked for, so that a model costs one file and no model's code counts as another's.
"""

import importlib
from typing import Any

from rabbithole.errors import UserError


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
