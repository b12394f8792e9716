"""Checks every run for leaks: recomputes everything from the files that the data steps wrote."""
