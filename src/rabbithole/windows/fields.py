"""The nine fields of a step and the codes that every vocabulary shares.

A light module: it imports nothing, so that models and readers can take the names without Spark.
"""

CATEGORICAL = ("event", "item", "category", "hour", "weekday", "month", "week")
"""Fields that are integer codes (int32), in the order in which arrays hold them."""

NUMERIC = ("dwell", "cost")
"""Fields that are numbers (float32), normalised on train; null where there is none."""

FIELDS = (*CATEGORICAL, *NUMERIC)
"""All nine."""

PADDING = 0
"""Code of a step that is none: never stored, used where sessions of unlike length share a batch."""

MISSING = 1
"""Code of a value that the log doesn't give."""

UNSEEN = 2
"""Code of a value that train never held."""

RARE = 3
"""Code of an item that train holds fewer times than the minimum count."""

FIRST_VALUE = 4
"""Code of a vocabulary's first value."""
