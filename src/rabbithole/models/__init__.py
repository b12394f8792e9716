"""The networks and the baseline, found by name."""
