"""The data card, from manifests."""

from factories import events_manifest, sessions_manifest, windows_manifest

from rabbithole.report.data_card import data_card, exclusion_facts, log_facts, session_facts, window_facts
from rabbithole.report.wording import GAP


def test_the_card_says_what_the_settings_exclude_and_the_share_of_buyers_with_it() -> None:
    """15 of 1,000 sessions are buyers; with 1,000 without a cart, of which 185 buy, 10 % are."""
    sessions = sessions_manifest(
        sessions=1000,
        buyers=15,
        minimum_events=3,
        excluded={
            "without_cart": {"sessions": 1000, "buyers": 185, "events": 1400},
            "short": {"sessions": 1, "buyers": 0, "events": 2},
            "not_drawn": {"sessions": 0, "buyers": 0, "events": 0},
        },
    )
    assert [(label, text.replace(GAP, " ")) for label, text in exclusion_facts(sessions)] == [
        (
            "Predicted at the first add-to-cart",
            "1,000 sessions without one before a purchase excluded (1,400 events); "
            "with them the share of buyers is 10 %",
        ),
        (
            "At least 3 events",
            "1 session with fewer than 3 events excluded (2 events); with them the share of buyers is 1.5 %",
        ),
    ]


def test_a_boundary_says_how_many_visitors_are_on_both_sides_if_the_log_has_visitors() -> None:
    time = "2015-08-20T03:11:04.384+00:00"
    boundaries = [
        {"begins": "valid", "time": time, "visitors_on_both_sides": 1},
        {"begins": "test", "time": time, "visitors_on_both_sides": None},
    ]
    facts = dict(session_facts(sessions_manifest(boundaries=boundaries)))
    assert facts["Valid begins"] == "20 August 2015, 03:11 UTC; 1 visitor on both sides"
    assert facts["Test begins"] == "20 August 2015, 03:11 UTC; the log has no visitors"


def test_the_card_names_the_fields_that_no_model_sees() -> None:
    assert "Unused fields" not in dict(window_facts(windows_manifest()))
    facts = dict(window_facts(windows_manifest(left_out=["item", "cost"])))
    assert facts["Unused fields"] == "item and cost: no model sees them"


def test_visitors_are_not_counted_as_sessions_of_the_log() -> None:
    facts = dict(log_facts(events_manifest(visitors=1511, sessions=1511)))
    assert facts["Visitors"] == "1,511" and "Sessions in the log" not in facts
    assert dict(log_facts(events_manifest(visitors=None)))["Sessions in the log"] == "1,511"


def test_splits_are_in_order_of_time() -> None:
    splits = sessions_manifest().splits
    in_other_order = sessions_manifest(splits=dict(sorted(splits.items())))
    card = data_card(events_manifest(), in_other_order, windows_manifest())
    assert list(card.splits.items()) == [(name, splits[name]) for name in ("train", "valid", "test")]
