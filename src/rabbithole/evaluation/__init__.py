"""Scores sessions with trained models, and compares scores with labels: metrics, intervals, explanations."""
