"""Google Analytics 4's export to BigQuery, as JSON lines or Parquet: `event_name`, `event_params`, `items`.

An event is one line; its parameters are an array of {key, value} objects, and its items an array of which
each item becomes an event. A session is a visitor (`user_pseudo_id`) and the parameter `ga_session_id`.
Source: Google's description of the export's schema.
"""

from rabbithole.formats.base import table_format

FORMAT = table_format(
    "ga4",
    tables={
        "events": {
            "explode": "items",
            "session": ["user_pseudo_id", "event_params.ga_session_id"],
            "visitor": "user_pseudo_id",
            "time": {"column": "event_timestamp", "unit": "us"},
            "event": {
                "column": "event_name",
                "words": {"view_item": "view", "add_to_cart": "addtocart", "purchase": "transaction"},
            },
            "item": "items.item_id",
            "category": "items.item_category",
            "cost": "items.price",
            "fields": {
                "brand": {"column": "items.item_brand"},
                "quantity": {"column": "items.quantity", "kind": "number"},
                "page": {"column": "event_params.page_location"},
            },
        }
    },
)
