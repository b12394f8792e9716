"""Balancing, batches, the loop of every training, and scoring."""
