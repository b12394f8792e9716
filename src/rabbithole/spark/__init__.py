"""Spark: start it on a machine or a cluster, run tasks by index, shuffle Arrow tables between tasks."""
