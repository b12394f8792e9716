"""The fields of a step and the codes that every vocabulary shares.

This module imports only the artifacts, so that models and readers can use the names without Spark.
"""

from rabbithole.artifacts.data import Fields

CATEGORICAL = ("event", "item", "category", "hour", "weekday", "month", "week")
"""Categorical fields (codes, int32) that any log may have. A log's further ones follow them."""

NUMERIC = ("dwell", "cost")
"""Numeric fields (float32, normalised on train; null where there is no number) that any log may have."""

STANDARD = Fields(categorical=CATEGORICAL, numeric=NUMERIC)
"""The fields that any log may have."""

ROOT = "root"
"""The name under which networks keep the root of a category. No field may have it."""

PADDING = 0
"""Code of padding. It is never stored; batches use it where sessions differ in length."""

MISSING = 1
"""Code of a value that the log does not contain."""

UNSEEN = 2
"""Code of a value that does not occur in train."""

RARE = 3
"""Code of a value that occurs in train less often than the minimum count."""

FIRST_VALUE = 4
"""Code of a vocabulary's first value."""


def log_fields(further: Fields) -> Fields:
    """Return the fields of a log with further ones: the standard fields first."""
    return Fields(categorical=CATEGORICAL + further.categorical, numeric=NUMERIC + further.numeric)


def has_minimum_count(field: str) -> bool:
    """Return whether rare values of a categorical field share a code: items, and a log's further fields."""
    return field == "item" or field not in CATEGORICAL
