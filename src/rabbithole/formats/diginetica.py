"""Diginetica's log (CIKM Cup 2016): views and purchases in two files.

`train-item-views.csv` is `sessionId;userId;itemId;timeframe;eventdate`, `train-purchases.csv` is
`sessionId;userId;timeframe;eventdate;ordernumber;itemId`. The time is a day and an offset in milliseconds
within the session. Most sessions name no user (NA). Source: the competition's own description.
"""

from rabbithole.formats.base import table_format

TABLE = {
    "separator": ";",
    "session": "sessionId",
    "time": {"column": "eventdate", "unit": "iso", "offset": "timeframe", "offset_unit": "ms"},
    "item": "itemId",
}

FORMAT = table_format(
    "diginetica",
    tables={
        "views": {**TABLE, "files": ["train-item-views.csv"], "event": "view"},
        "purchases": {**TABLE, "files": ["train-purchases.csv"], "event": "transaction"},
    },
)
