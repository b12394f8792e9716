"""Trains the models on windows, and keeps the state of running trainings."""
