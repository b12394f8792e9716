"""Draws the figures and writes the report: one self-contained HTML page and a summary as text."""
