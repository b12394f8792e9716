"""The models, loaded by name: two networks on the order of events, and gradient boosting on counts."""
