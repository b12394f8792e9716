"""One module per figure, so that a change to a figure redraws that figure alone."""
