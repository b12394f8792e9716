"""OTTO's log (Kaggle: OTTO Multi-Objective Recommender System): JSON lines, a session a line.

`{"session": 1, "events": [{"aid": 2, "ts": 1659304800025, "type": "clicks"}]}`, times in milliseconds, types
clicks, carts and orders. Source: the data set's own description.
"""

from rabbithole.formats.base import table_format

FORMAT = table_format(
    "otto",
    tables={
        "events": {
            "files": ["*train*.jsonl"],
            "kind": "json",
            "explode": "events",
            "session": "session",
            "time": {"column": "events.ts", "unit": "ms"},
            "event": {
                "column": "events.type",
                "words": {"clicks": "view", "carts": "addtocart", "orders": "transaction"},
            },
            "item": "events.aid",
        }
    },
    defaults={"timezone": "Europe/Berlin"},
)
