"""Shoppers with known intentions, written in the raw formats."""
