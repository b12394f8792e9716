"""Typed, versioned models of every JSON file that a step writes, and the only way to read and write them."""
