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


def test_whole_hours_are_said_and_join_the_next_hour(tmp_path: Path) -> None:
    columns = without("session_id", timestamp=lambda event: f"{event.time:%Y-%m-%d %H}")
    inspection, dataset, _ = read(write_csv(tmp_path / "log.csv", columns))
    assert dataset.sessions.gap_minutes == 60
    assert "it holds whole hours" in inspection.text
    # Of the hour of a purchase, models see nothing.
    fine, _, _ = read(write_csv(tmp_path / "fine.csv", without("session_id")))
    assert inspection.estimate is not None and fine.estimate is not None
    assert inspection.estimate.at_once > 20 + fine.estimate.at_once


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


def test_addresses_are_items_or_kinds_of_pages_but_not_both(tmp_path: Path) -> None:
    pages = {"view": "/x/{}", "cart": "/y/{}", "purchase": "/z/{}"}
    columns = without(
        "event_type", "product_id", product_url=lambda event: pages[event.kind].format(event.item)
    )
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert "event: {column: product_url" in inspection.text and "item: " not in inspection.text
    columns = without("product_id", product_url=lambda event: f"/x/{event.item}")
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.item == ["product_url"] and "product_url" not in table.fields


def test_equal_items_of_one_line_may_be_kept(tmp_path: Path) -> None:
    columns = without(product_id=lambda event: f"{event.item}|{event.item}")
    text = inspect([str(write_csv(tmp_path / "log.csv", columns))]).text
    assert "items that were read repeat another exactly" in " ".join(text.replace("#", "").split())
    assert "# drop_duplicates: false" in text


def test_a_number_of_items_is_no_item(tmp_path: Path) -> None:
    columns = without("product_id", numItems=lambda event: int(event.item) % 9)
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.item is None and "num_items" in table.fields


def test_another_spelling_of_the_event_is_no_field(tmp_path: Path) -> None:
    columns = STANDARD | {"event_text": lambda event: event.kind.upper()}
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns))
    assert reason(inspection.text, "event_text").startswith("it holds the same as event_type")


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
