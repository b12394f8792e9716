"""Trains the models on windows, keeps the state of running trainings, and scores sessions."""
