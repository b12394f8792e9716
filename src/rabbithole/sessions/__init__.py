"""Events become labelled sessions, cut before the first purchase."""
