"""`inspect` on the habits of public logs: codes, empty cells, several columns that say what happened."""

from collections import Counter
from pathlib import Path

import pytest
from factories.inspected import STANDARD, read, roles, without
from factories.shop_logs import Event, Getter, shop_events, write_csv

from rabbithole.inspection.inspect import inspect


def reason(text: str, column: str) -> str:
    """Return why a column is left out, on one line."""
    lines = " ".join(line.strip(" #") for line in text.split("\n"))
    return lines.split(f"left out: {column}: ")[1].split("left out: ")[0]


def test_ids_that_pandas_wrote_with_a_fraction_are_ids(tmp_path: Path) -> None:
    columns = without("session_id", "user_id", user_id=lambda event: f"{event.visitor}.0")
    _, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.visitor == "user_id" and dataset.sessions.by == "visitor"


def test_item_codes_with_leading_zeros_are_no_times(tmp_path: Path) -> None:
    _, _, table = read(
        write_csv(tmp_path / "log.csv", without(product_id=lambda event: f"0663713{event.item}"))
    )
    assert table.item == ["product_id"]


def test_a_second_column_says_what_happened_where_the_first_is_empty(tmp_path: Path) -> None:
    # As in Coveo's log of 2021: the purchase is no event of the column that is named like it.
    coveo = without(
        "event_type",
        event_type=lambda event: "pageview" if event.kind == "view" else "event_product",
        product_action=lambda event: {"view": "", "cart": "add"}.get(event.kind, event.kind),
    )
    inspection, dataset, table = read(write_csv(tmp_path / "browsing.csv", coveo))
    assert table.event.column == ["product_action", "event_type"]
    assert table.event.words == {"pageview": "view", "add": "addtocart", "purchase": "transaction"}
    assert dataset.target == "buyer" and "event_product" not in inspection.mapped[0].events
    # As in Segment's: a page has a type and no event.
    segment = without(
        "event_type",
        event=lambda event: {"view": "", "purchase": "Order Completed"}.get(event.kind, "Product Added"),
        type=lambda event: "page" if event.kind == "view" else "track",
    )
    _, _, table = read(write_csv(tmp_path / "segment.csv", segment))
    assert table.event.column == ["event", "type"]


def test_words_of_which_a_part_means_a_purchase(tmp_path: Path) -> None:
    def words(bought: str) -> Getter:
        return lambda event: {"purchase": bought}.get(event.kind, event.kind)

    for bought in ("Complete purchase", "paymentConfirmed", "ecommerceOrder"):
        _, _, table = read(write_csv(tmp_path / "log.csv", without("event_type", event_type=words(bought))))
        assert table.event.words[bought] == "transaction", bought
    asked = inspect(
        [str(write_csv(tmp_path / "log.csv", without("event_type", event_type=words("premium order"))))]
    )
    assert asked.problem == "the word for a purchase" and "premium order" in asked.text


def test_parts_of_names_that_give_the_answer_away(tmp_path: Path) -> None:
    columns = without(
        visitConverted=lambda event: int(event.item) % 2, conversion_id=lambda event: event.item
    )
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert set(table.fields) == {"brand"}
    for name in ("visitConverted", "conversion_id"):
        assert "give the answer away" in reason(inspection.text, name)


def test_other_names_of_visitors_are_no_fields(tmp_path: Path) -> None:
    columns = without(mail=lambda event: f"{event.visitor}@example.org" if int(event.visitor) % 2 else "")
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns))
    assert "it is another name of user_id" in reason(inspection.text, "mail")


def test_a_log_of_orders_alone_predicts_the_next_event(tmp_path: Path) -> None:
    columns = {
        "InvoiceNo": lambda event: f"5{event.session[1:]}",
        "StockCode": lambda event: f"{event.item}A",
        "Quantity": lambda event: int(event.item) % 5 + 1,
        "InvoiceDate": lambda event: f"{event.time:%m/%d/%Y %H:%M}",
        "UnitPrice": lambda event: event.price,
        # A quarter of the orders are those of guests.
        "CustomerID": lambda event: f"{event.visitor}.0" if int(event.session[1:]) % 4 else "",
    }
    inspection = inspect([str(write_csv(tmp_path / "data.csv", columns))])
    assert inspection.complete and "target: next_event" in inspection.text
    assert "whether a further order follows" in inspection.text and "What comes next?" in inspection.text
    assert "event: order" in inspection.text and "item: StockCode" in inspection.text
    assert set(inspection.mapped[0].rejected) == {"CustomerID is empty"}


def test_whole_hours_are_said_and_join_the_next_hour(tmp_path: Path) -> None:
    columns = without("session_id", timestamp=lambda event: f"{event.time:%Y-%m-%d %H}")
    inspection, dataset, _ = read(write_csv(tmp_path / "log.csv", columns))
    assert dataset.sessions.gap_minutes == 60
    assert "it holds whole hours" in inspection.text


def test_a_time_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    columns = without("timestamp", time_stamp=lambda event: f"{event.time:%H} o'clock")
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert "not time_stamp (such as 0" in inspection.problem
    assert "time_stamp" not in "".join(field.name for table in inspection.tables for field in table.fields)


def test_tables_without_times_do_not_share_a_name(tmp_path: Path) -> None:
    orders = write_csv(
        tmp_path / "log" / "orders.csv", {"order_id": lambda e: e.session, "user_id": lambda e: e.visitor}
    )
    write_csv(
        tmp_path / "log" / "order_products.csv",
        {"order_id": lambda e: e.session, "product_id": lambda e: e.item},
    )
    inspection = inspect([str(orders.parent)])
    names = [table.name for table in inspection.tables]
    assert len(names) == len(set(names)) and "no column holds times" in inspection.problem


def test_prices_in_a_table_without_names(tmp_path: Path) -> None:
    columns = without("session_id", "category", "brand", timestamp=lambda event: int(event.time.timestamp()))
    _, _, table = read(write_csv(tmp_path / "log.csv", columns, header=False))
    assert roles(table)["cost"] == ["5"] and roles(table)["item"] == ["4"]


def test_the_end_of_a_name_says_what_it_is(tmp_path: Path) -> None:
    def lineitem(name: str) -> Getter:
        return STANDARD[name]

    columns = without("product_id", "price") | {
        "Lineitem sku": lineitem("product_id"),
        "Lineitem price": lineitem("price"),
        "shipping speed": lambda event: event.device,
    }
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.item == ["Lineitem sku"] and table.cost == ["Lineitem price"]


def test_fields_keep_names_in_other_scripts(tmp_path: Path) -> None:
    columns = without(**{"Город": lambda event: event.device, "Größe": lambda event: event.device})
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert {"город", "grosse"} <= set(table.fields)


def test_an_item_that_is_no_product_is_found_by_its_name_or_its_ids(tmp_path: Path) -> None:
    for name in ("movieId", "track", "recipeId", "context_product_id"):
        columns = without(
            "product_id", "event_type", **{name: lambda event: event.item, "rating": lambda _: 3}
        )
        inspection = inspect([str(write_csv(tmp_path / "ratings.csv", columns))])
        assert inspection.tables[0].roles.item.column is not None, name
        assert inspection.tables[0].roles.item.column.name == name
        # Whether a line is a purchase is not guessed.
        assert inspection.problem.startswith("what each line is")


def test_a_word_that_ends_sessions_may_be_the_purchase_of_a_log_without_one(tmp_path: Path) -> None:
    columns = without(
        "event_type", action=lambda event: {"purchase": "clickout"}.get(event.kind, f"see {event.kind}")
    )
    inspection, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert dataset.target == "next_event" and not table.event.leave_out
    assert "clickout is always the last event of its session" in " ".join(inspection.text.split())
    assert "# words: {see view: view" not in inspection.text and "clickout: transaction}" in inspection.text


def test_a_count_of_visits_names_no_visitor(tmp_path: Path) -> None:
    columns = without("session_id", "user_id", visit_num=lambda event: 1 + int(event.session[1:]) % 5)
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    roles = inspection.tables[0].roles
    assert roles.visitor.column is None and roles.session.column is None


def test_names_of_columns_may_begin_with_a_dollar(tmp_path: Path) -> None:
    columns = without("session_id", **{"properties.$session_id": lambda event: event.session})
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.session == ["properties.$session_id"]


def test_equal_lines_of_whole_minutes_may_be_kept(tmp_path: Path) -> None:
    assert "drop_duplicates" not in inspect([str(write_csv(tmp_path / "log.csv", STANDARD))]).text
    minutes = without("timestamp", time=lambda event: event.time.strftime("%Y-%m-%d %H:%M"))
    inspection, dataset, _ = read(write_csv(tmp_path / "log.csv", minutes))
    assert "# drop_duplicates: false" in inspection.text and dataset.drop_duplicates
    assert "As all times are whole minutes" in " ".join(inspection.text.replace("#", "").split())


def test_line_breaks_in_fields_are_read(tmp_path: Path) -> None:
    columns = STANDARD | {"note": lambda event: f'one\n"two" {event.item},\n\nthree'}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.multiline and inspection.tables[0].sample.rows == len(shop_events())
    assert not read(write_csv(tmp_path / "plain.csv", STANDARD))[2].multiline


def test_stray_quotes_are_no_line_breaks(tmp_path: Path) -> None:
    columns = STANDARD | {"note": lambda _: "x"}
    path = write_csv(tmp_path / "log.csv", columns)
    lines = path.read_text().splitlines()
    lines[5::100] = [line.replace(",x", ',"x') for line in lines[5::100]]
    path.write_text("\n".join(lines) + "\n")
    inspection = inspect([str(path)])
    assert "multiline" not in inspection.text and inspection.tables[0].sample.malformed
    assert "quote: null" in inspection.tables[0].sample.advice


@pytest.mark.parametrize("text", ["NULL", "\\N"])
def test_what_databases_write_for_no_value_is_none(tmp_path: Path, text: str) -> None:
    columns = without(
        "user_id",
        "price",
        user_id=lambda event: event.visitor if int(event.visitor) % 3 else text,
        price=lambda event: event.price if event.kind != "cart" else text,
    )
    _, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.missing == [text] and table.cost == ["price"] and table.visitor == "user_id"
    assert dataset.sessions.by == "session"


def test_codes_are_no_times(tmp_path: Path) -> None:
    def days(event: Event) -> str:
        return event.time.strftime("%Y-%m-%d")

    columns = without("timestamp", "category", day=days, subclass=lambda event: 130000 + int(event.item) % 23)
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.time.column == ["day"] and table.time.date is None
    columns = without("timestamp", impression_id=lambda event: 1_500_000_000 + int(event.item))
    assert inspect([str(write_csv(tmp_path / "log.csv", columns))]).problem.startswith("the time")


def test_ids_of_conversions_and_campaigns_are_no_items(tmp_path: Path) -> None:
    for name in ("conversion_id", "campaign_id", "postal_code"):
        columns = without("product_id", **{name: lambda event: event.item})
        assert read(write_csv(tmp_path / "log.csv", columns))[2].item is None, name


def test_a_flag_of_purchases_is_their_event(tmp_path: Path) -> None:
    columns = without("event_type", PURCHASE_FLG=lambda event: int(event.kind == "purchase"))
    _, dataset, table = read(write_csv(tmp_path / "visits.csv", columns))
    assert table.event.column == ["PURCHASE_FLG"] and dataset.target == "buyer"
    assert table.event.words == {"0": "view", "1": "transaction"}
    columns = without("event_type", gekauft=lambda event: "Ja" if event.kind == "purchase" else "Nein")
    assert read(write_csv(tmp_path / "visits.csv", columns))[2].event.words["Ja"] == "transaction"
    # A flag that all events of a buyer have is no event.
    buyers = {event.session for event in shop_events() if event.kind == "purchase"}
    columns = without("event_type", bought=lambda event: int(event.session in buyers))
    assert read(write_csv(tmp_path / "visits.csv", columns))[2].event.name == "view"


def test_a_column_that_is_filled_in_purchases_is_their_event(tmp_path: Path) -> None:
    columns = without(
        "event_type", order_id=lambda event: f"O{event.session}" if event.kind == "purchase" else ""
    )
    inspection, dataset, table = read(write_csv(tmp_path / "hits.csv", columns))
    purchases = sum(event.kind == "purchase" for event in shop_events())
    assert (table.event.column, table.event.words, table.event.empty) == (
        ["order_id"],
        {"*": "transaction"},
        "view",
    )
    assert dataset.target == "buyer" and inspection.mapped[0].events["transaction"] == purchases
    columns = without("event_type", revenue=lambda event: 9.5 if event.kind == "purchase" else "0.0")
    inspection, _, table = read(write_csv(tmp_path / "hits.csv", columns))
    assert table.event.words == {"0.0": "view", "*": "transaction"}
    # A number that all events of a buyer have marks no purchase.
    buyers = {event.session for event in shop_events() if event.kind == "purchase"}
    columns = without("event_type", order_id=lambda event: event.session if event.session in buyers else "")
    assert inspect([str(write_csv(tmp_path / "hits.csv", columns))]).problem.startswith("what each line")


def test_the_number_of_an_order_says_which_word_is_the_purchase(tmp_path: Path) -> None:
    words = {"view": "product", "purchase": "step_4"}
    columns = without(
        "event_type",
        page_type=lambda event: words.get(event.kind, event.kind),
        transaction_id=lambda event: event.session if event.kind == "purchase" else "",
    )
    _, dataset, table = read(write_csv(tmp_path / "hits.csv", columns))
    assert table.event.words["step_4"] == "transaction" and dataset.target == "buyer"


def test_orders_that_were_not_kept_are_pointed_out(tmp_path: Path) -> None:
    for name, kind in (("views", "view"), ("orders", "purchase")):
        columns = without("event_type", "brand")
        if name == "orders":
            columns["status"] = lambda event: ("completed", "Cancelled")[int(event.item) % 2]
        events = [event for event in shop_events() if event.kind == kind]
        write_csv(tmp_path / "log" / f"{name}.csv", columns, events)
    text = inspect([str(tmp_path / "log")]).text
    assert "event: {column: status, words: {completed: transaction}, leave_out: [Cancelled]}" in text


def test_addresses_that_begin_alike_are_one_kind_of_event(tmp_path: Path) -> None:
    pages = {
        "view": "/de/product/{}?ref=1",
        "cart": "/de/cart/add/{}",
        "purchase": "/de/checkout/success?o={}",
    }
    columns = without("event_type", "product_id", url=lambda event: pages[event.kind].format(event.item))
    inspection, _, table = read(write_csv(tmp_path / "hits.csv", columns))
    assert table.event.words == {
        "/de/product/*": "view",
        "/de/cart/add/*": "addtocart",
        "/de/checkout/success?*": "transaction",
    }
    kinds = {"view": "view", "cart": "addtocart", "purchase": "transaction"}
    assert inspection.mapped[0].events == Counter(kinds[event.kind] for event in shop_events())


def test_how_many_events_a_session_has_in_the_end_is_no_field(tmp_path: Path) -> None:
    sizes = Counter(event.session for event in shop_events())
    columns = STANDARD | {"session_size": lambda event: sizes[event.session]}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert set(table.fields) == {"brand"}
    assert "which is known at the end only" in reason(inspection.text, "session_size")


def test_what_is_only_known_in_the_end_is_no_field(tmp_path: Path) -> None:
    buyers = {event.session for event in shop_events() if event.kind == "purchase"}
    orders = Counter(event.visitor for event in shop_events() if event.kind == "purchase")
    columns = STANDARD | {
        "session_duration": lambda event: int(event.item) % 90,
        "bounce": lambda event: int(event.item) % 2,
        "days_to_purchase": lambda event: int(event.item) % 5 if event.session in buyers else "",
        "total_orders": lambda event: orders[event.visitor],
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert set(table.fields) == {"brand"}
    assert "known at the end of a session only" in reason(inspection.text, "session_duration")
    assert "filled for buyers alone" in reason(inspection.text, "days_to_purchase")
    # Of a visitor, as of the day of the export: also in sessions before the purchase.
    assert "almost perfectly" in reason(inspection.text, "total_orders")


def test_a_file_of_carts_beside_others_holds_no_purchases(tmp_path: Path) -> None:
    for name, kind in (("page_views", "view"), ("add_to_carts", "cart"), ("orders", "purchase")):
        columns = without("event_type", quantity=lambda event: 1 + int(event.item) % 3)
        events = [event for event in shop_events() if event.kind == kind]
        write_csv(tmp_path / "log" / f"{name}.csv", columns, events)
    inspection = inspect([str(tmp_path / "log")])
    assert {table.name: table.content for table in inspection.tables} == {
        "views": "view",
        "carts": "addtocart",
        "purchases": "transaction",
    }
