"""A trained model at work: one folder that holds all it needs, predictions for new logs, and audiences."""
