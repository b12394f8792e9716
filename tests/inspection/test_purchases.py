"""`inspect` on what marks a purchase: words, flags, order numbers, pages, tables of their own."""

from collections import Counter
from pathlib import Path

import pytest
from factories.inspected import STANDARD, read, without
from factories.shop_logs import Getter, shop_events, write_csv

from rabbithole.inspection.inspect import inspect
from rabbithole.inspection.words import meanings


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


def test_the_items_of_an_order_may_share_a_time(tmp_path: Path) -> None:
    keys = {name: STANDARD[name] for name in ("session_id", "timestamp", "product_id")}
    views = write_csv(tmp_path / "views.csv", keys)
    bought = [event for event in shop_events() if event.order]
    orders = write_csv(tmp_path / "purchases.csv", keys, [event for event in bought for _ in range(2)])
    inspection = inspect([str(views), str(orders)])
    assert inspection.complete and "counts as a buyer" not in inspection.text


def test_a_word_that_ends_sessions_may_be_the_purchase_of_a_log_without_one(tmp_path: Path) -> None:
    columns = without(
        "event_type", action=lambda event: {"purchase": "clickout"}.get(event.kind, f"see {event.kind}")
    )
    inspection, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert dataset.target == "next_event" and not table.event.leave_out
    assert "clickout is always the last event of its session" in " ".join(inspection.text.split())
    assert "# words: {see view: view" not in inspection.text and "clickout: transaction}" in inspection.text


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


@pytest.mark.parametrize(
    "page",
    [
        "/de/bestellung/danke.html",
        "https://shop.example/commande/merci?no=*",
        "/pedido/gracias",
        "/conferma-ordine",
        "/bestelling/bedankt",
        "/zamowienie/podziekowanie",
        "/compra/obrigado",
        "/checkout/order-received/*",
        "/index.php?route=checkout/success",
    ],
)
def test_pages_after_a_purchase_in_several_languages(page: str) -> None:
    words = meanings({"/product/*": 500, "/newsletter/danke": 40, page: 20})
    assert words.purchase == (page,) and not words.likely


def test_pages_of_products_are_views() -> None:
    words = meanings({"https://laden.example/produkte/*": 500, "/bestellung/danke": 20})
    assert words.mapping["https://laden.example/produkte/*"] == "view"


def test_a_page_of_thanks_alone_is_probably_that_after_a_purchase() -> None:
    words = meanings({"/product/*": 500, "/vielen-dank": 20})
    assert words.purchase == ("/vielen-dank",) and words.likely
    assert not meanings({"/product/*": 500, "/kontakt/vielen-dank": 20}).purchase


@pytest.mark.parametrize(
    "names", [("page_views", "add_to_carts", "orders"), ("consultations", "paniers", "commandes")]
)
def test_a_file_of_carts_beside_others_holds_no_purchases(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, kind in zip(names, ("view", "cart", "purchase"), strict=True):
        columns = without("event_type", quantity=lambda event: 1 + int(event.item) % 3)
        events = [event for event in shop_events() if event.kind == kind]
        write_csv(tmp_path / "log" / f"{name}.csv", columns, events)
    inspection = inspect([str(tmp_path / "log")])
    assert {table.name: table.content for table in inspection.tables} == {
        "views": "view",
        "carts": "addtocart",
        "purchases": "transaction",
    }
