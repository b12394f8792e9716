"""The logs of REES46 (Kaggle: eCommerce behavior data from multi category store, and cosmetics shop).

One file a month, such as `2019-Oct.csv`:
`event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session`, times in UTC.
The category is the code, a path such as electronics.smartphone; the number `category_id` is not used.
Source: the data set's own description.
"""

from rabbithole.formats.base import table_format

FORMAT = table_format(
    "rees46",
    tables={
        "events": {
            "files": ["*.csv"],
            "session": "user_session",
            "visitor": "user_id",
            "time": {"column": "event_time", "unit": "iso"},
            "event": {
                "column": "event_type",
                "words": {"cart": "addtocart", "purchase": "transaction"},
            },
            "item": "product_id",
            "category": {"column": "category_code", "separator": ".", "levels": 2},
            "cost": "price",
            "fields": {"brand": {"column": "brand"}},
        }
    },
)
