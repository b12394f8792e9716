"""Scores meet the truth."""
