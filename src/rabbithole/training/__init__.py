"""Balancing, batches, the training loop and scoring."""
