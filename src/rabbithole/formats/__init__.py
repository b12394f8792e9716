"""The raw formats: one file per format, whose `FORMAT` says how its logs are read and simulated."""
