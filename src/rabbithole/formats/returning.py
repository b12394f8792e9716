"""The log of the simulated shop whose visitors return: one table, events.csv, in milliseconds since 1970.

`source: simulate` writes it; no published log has this layout. A pause of 30 minutes starts a new session.
"""

from dataclasses import replace

from rabbithole.formats.base import table_format

GAP_MINUTES = 30.0

FORMAT = replace(
    table_format(
        "returning",
        tables={
            "events": {
                "files": ["events.csv"],
                "visitor": "visitor",
                "time": {"column": "time", "unit": "ms"},
                "event": {"column": "event"},
                "item": "item",
                "category": "category",
            }
        },
        defaults={"sessions": {"gap_minutes": GAP_MINUTES}},
    ),
    simulator="returning",
    simulated_session="visitor",
    simulated_gap_minutes=GAP_MINUTES,
)
