"""The features of estimators: named numbers that describe the first steps of a session."""
