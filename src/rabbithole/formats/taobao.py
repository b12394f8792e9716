"""Taobao's UserBehavior (Tianchi data set 649): clicks, favourites, carts and purchases of visitors.

One file without header, `UserBehavior.csv`: user, item, category, behaviour, seconds since 1970. The log has
no sessions: a pause of 30 minutes starts a new one. Source: the data set's own description.
"""

from rabbithole.formats.base import table_format

FORMAT = table_format(
    "taobao",
    tables={
        "events": {
            "files": ["*.csv"],
            "header": ["user", "item", "category", "behaviour", "seconds"],
            "visitor": "user",
            "time": {"column": "seconds", "unit": "s"},
            "event": {
                "column": "behaviour",
                "words": {"pv": "view", "cart": "addtocart", "buy": "transaction"},
            },
            "item": "item",
            "category": "category",
        }
    },
    defaults={"timezone": "Asia/Shanghai", "sessions": {"gap_minutes": 30}},
)
