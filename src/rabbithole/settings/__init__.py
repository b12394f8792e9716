"""One closed, typed, described model per section of config.yaml."""
