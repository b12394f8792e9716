"""Rabbithole follows a shopper's clicks and says who will buy."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rabbithole.serving.model import Model

__all__ = ["Model"]


def __getattr__(name: str) -> Any:
    """Import `Model` when it is first used: `import rabbithole` alone loads nothing large."""
    if name == "Model":
        from rabbithole.serving.model import Model

        return Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
