"""What files are that hold no table that can be read, and what to do about them."""

import re

FOREIGN = {
    b"ARROW1": "an Arrow file (Feather)",
    b"SQLite format 3": "an SQLite database",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}
"""What other files begin with."""

ACCESS_LOG = re.compile(r'\S+ .{0,200}?\[\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}\] "')
"""The beginning of a line of Apache's or nginx's log, in the common or the combined format."""

BY_COLUMN = re.compile(r'\{\s*"[^"]+"\s*:\s*(\{\s*"0"\s*:|\[\s*([^][{},]+,\s*){100})')
"""The beginning of a JSON object that holds a whole table by columns, as pandas and others write it."""

INSERTS = re.compile(r"^INSERT INTO \S+ ", re.MULTILINE)
"""A line of a dump in SQL."""


def no_table(text: str) -> str:
    """Return why a text is no table, and what to do; empty if it may be one."""
    if ACCESS_LOG.match(text):
        return (
            "this is a web server's access log: it says which pages were asked for, not what shoppers did. "
            "Write a table with a line for each page view, cart and purchase, made from the addresses."
        )
    if "\n" not in text.strip() and BY_COLUMN.match(text.lstrip()):
        return (
            "this is one JSON object with a key for each column. Write one object for each row and line, "
            'for instance with pandas\' `to_json(FILE, orient="records", lines=True)`.'
        )
    if INSERTS.search(text):
        return (
            "this is a dump of a database, in SQL. Write the table as CSV, for instance with the client's "
            "`COPY ... TO` or `SELECT ... INTO OUTFILE`."
        )
    return ""
