"""A raw log becomes events."""
