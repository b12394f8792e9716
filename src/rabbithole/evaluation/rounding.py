"""How many digits the results keep."""

from typing import Any

DIGITS = 9  # Keeps the files small; far below any interval.


def rounded(value: Any) -> Any:
    """Round every number within nested lists and dicts to nine significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value
