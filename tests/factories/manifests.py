"""Valid manifests with filler values."""

from typing import Any

from rabbithole.artifacts.data import EventsManifest, Fields, SessionsManifest, WindowsManifest
from rabbithole.sessions.splitting import SPLITS
from rabbithole.windows.fields import CATEGORICAL, STANDARD

Row = dict[str, Any]

NO_FIELDS = Fields(categorical=(), numeric=())


def events_manifest(**changes: Any) -> EventsManifest:
    """Return a valid manifest of a small Retailrocket log, with some entries changed."""
    values: Row = {
        "files": {},
        "format": "retailrocket",
        "rows": 5120,
        "sessions": 1511,
        "visitors": 1511,
        "items": 211,
        "events": {"addtocart": 60, "transaction": 43, "view": 5017},
        "first": "2015-05-03T03:00:04.384+00:00",
        "last": "2015-09-18T02:59:47.788+00:00",
        "last_microseconds": 1442545187788000,
        "lines": {"lines": 5131, "header": 1, "blank": 0, "rejected": 3, "duplicates": 7, "kept": 5120},
        "files_read": [
            {
                "file": "events.csv",
                "role": "events",
                "lines": 5131,
                "header": 1,
                "blank": 0,
                "rows": 5127,
                "rejected": 3,
            }
        ],
        "files_missing": [],
        "rejected": 3,
        "rejected_reasons": {"time is not a time": 3},
        "rejected_examples": [],
        "columns": {},
        "share_with_category": 0.91,
        "share_with_cost": 0.0,
        "share_category_in_tree": None,
        "category_tree": None,
        "category_roots": None,
        "category_history": None,
        "cost_history": None,
        "fields": {},
    }
    return EventsManifest.model_validate(values | changes)


def sessions_manifest(**changes: Any) -> SessionsManifest:
    """Return a valid manifest of sessions by visitor, split by time, with some entries changed."""
    values: Row = {
        "files": {},
        "rows": 1511,
        "sessions": 1511,
        "buyers": 41,
        "open": 12,
        "dropped": 3,
        "excluded": {},
        "splits": {
            "train": {"sessions": 1209, "buyers": 33, "open": 0, "open_buyers": 0},
            "valid": {"sessions": 151, "buyers": 4, "open": 0, "open_buyers": 0},
            "test": {"sessions": 151, "buyers": 4, "open": 12, "open_buyers": 0},
        },
        "split_by": "time",
        "shares": [0.8, 0.1, 0.1],
        "boundaries": [
            {"begins": "valid", "time": "2015-08-20T03:11:04.384+00:00", "visitors_on_both_sides": 0},
            {"begins": "test", "time": "2015-09-03T13:00:00.000+00:00", "visitors_on_both_sides": 17},
        ],
        "events": {"total": 5120, "kept": 5011, "cut": 103, "dropped": 6},
        "lengths": {
            "mean": 3.32,
            "median": 2,
            "longest": 211,
            "quantiles": {"0.5": 2, "0.9": 7, "0.99": 31},
            "histogram": [
                {"first": 1, "last": 1, "sessions": 604},
                {"first": 2, "last": None, "sessions": 907},
            ],
        },
        "by": "visitor",
        "gap_minutes": None,
        "open_minutes": 1440.0,
        "until": "purchase",
        "minimum_events": 1,
        "sample": 1.0,
        "cost": "event",
        "prices": None,
        "price_history": None,
        "category_roots": None,
        "columns": {},
        "fields": NO_FIELDS,
        "diagnoses": [],
    }
    return SessionsManifest.model_validate(values | changes)


def windows_manifest(**changes: Any) -> WindowsManifest:
    """Return a valid manifest of windows, with some entries changed."""
    none = dict.fromkeys(CATEGORICAL, 0)
    split = {"buyers": 4, "cut_short": 1, "missing": none, "rows": 150, "steps": 500, "unseen": none}
    values: Row = {
        "files": {},
        "rows": 450,
        "splits": dict.fromkeys(SPLITS, split),
        "open": 12,
        "events": {"total": 5011, "kept": 1500, "open": 120, "beyond": 3391},
        "keep_open": False,
        "sizes": dict.fromkeys(CATEGORICAL, 9),
        "rare": {"item": 7},
        "length": 100,
        "minimum_item_count": 5,
        "minimum_counts": {"item": 5},
        "timezone": "UTC",
        "fields": STANDARD,
        "left_out": [],
        "absent": [],
        "columns": {},
        "price_history": None,
    }
    return WindowsManifest.model_validate(values | changes)
