"""Simulated shops: shoppers whose hidden states are known, their raw logs, and the oracle.

The oracle computes the best possible predictions for a simulated log.
"""
