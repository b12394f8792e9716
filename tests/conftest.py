"""What all tests share."""

pytest_plugins = ["spark_fixtures"]
