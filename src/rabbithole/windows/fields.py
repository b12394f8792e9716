"""The fields of a step and the codes that every vocabulary shares.

This module imports nothing, so that models and readers can use the names without Spark.
"""

CATEGORICAL = ("event", "item", "category", "hour", "weekday", "month", "week")
"""Fields that are integer codes (int32), in the order in which arrays hold them."""

NUMERIC = ("dwell", "cost")
"""Fields that are numbers (float32), normalised on train; null where there is no number."""

FIELDS = (*CATEGORICAL, *NUMERIC)

PADDING = 0
"""Code of padding. It is never stored; batches use it where sessions differ in length."""

MISSING = 1
"""Code of a value that the log does not contain."""

UNSEEN = 2
"""Code of a value that does not occur in train."""

RARE = 3
"""Code of an item that occurs in train less often than the minimum count."""

FIRST_VALUE = 4
"""Code of a vocabulary's first value."""
