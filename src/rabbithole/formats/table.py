"""Any log: its files, columns and words stand in the section `table` of the settings."""

from rabbithole.formats.base import table_format

FORMAT = table_format("table")
