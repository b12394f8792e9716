"""Keeps Python's garbage collector from stopping a process that must answer at once."""

import gc

NEVER = 2**31 - 1


def spare_old_objects() -> None:
    """Collect garbage once, then look at young objects only.

    A look at all objects stops the process for a quarter of a second when it holds a model and thousands of
    sessions. These are freed when nothing refers to them, as all others; only circles of old objects stay,
    until this is called again. Call it when a model was loaded: that leaves such circles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
