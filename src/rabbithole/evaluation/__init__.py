"""Compares predictions with labels: metrics with intervals, comparisons of models, explanations."""
