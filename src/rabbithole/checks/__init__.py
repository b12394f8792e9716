"""Checks every run for leaks: reads what the data steps wrote and shares no code with them."""
