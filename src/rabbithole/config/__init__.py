"""The user's settings: one closed, typed, described model per section of config.yaml."""
