"""Files: atomic writing, Parquet parts, tables of values over time, archives."""
