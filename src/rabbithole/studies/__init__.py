"""Studies on demand: they train networks to find leaks and to compare ways to train."""
