"""Sessions: events are grouped, labelled as buyers or not, cut before the first purchase, and split."""
