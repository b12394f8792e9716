"""Logs in the layout of a known format get its short form."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories.shop_logs import Event, shop_events, write_csv

from rabbithole.formats.snowplow import COLUMNS
from rabbithole.inspection.inspect import inspect, load

EVENTS = shop_events(120)
FOUND = {"view": "view", "cart": "addtocart", "purchase": "transaction"}


def rees46(folder: Path) -> Path:
    columns = {
        "event_time": lambda event: f"{event.time:%Y-%m-%d %H:%M:%S} UTC",
        "event_type": lambda event: event.kind,
        "product_id": lambda event: event.item,
        "category_id": lambda event: f"20530135{event.item}",
        "category_code": lambda event: event.category,
        "brand": lambda event: event.brand,
        "price": lambda event: event.price,
        "user_id": lambda event: event.visitor,
        "user_session": lambda event: event.session,
    }
    return write_csv(folder / "2019-Oct.csv", columns, EVENTS)


def taobao(folder: Path) -> Path:
    words = {"view": "pv", "cart": "cart", "purchase": "buy"}
    columns = {
        "user": lambda event: event.visitor,
        "item": lambda event: event.item,
        "category": lambda event: int(event.item) % 7,
        "behaviour": lambda event: words[event.kind],
        "seconds": lambda event: int(event.time.timestamp()),
    }
    return write_csv(folder / "UserBehavior.csv", columns, EVENTS, header=False)


def retailrocket(folder: Path) -> Path:
    columns = {
        "timestamp": lambda event: int(1000 * event.time.timestamp()),
        "visitorid": lambda event: event.visitor,
        "event": lambda event: FOUND[event.kind],
        "itemid": lambda event: event.item,
        "transactionid": lambda event: event.order,
    }
    return write_csv(folder / "events.csv", columns, EVENTS)


def yoochoose(folder: Path) -> Path:
    def time(event: Event) -> str:
        return f"{event.time:%Y-%m-%dT%H:%M:%S}.{event.time.microsecond // 1000:03}Z"

    clicks = {
        "session": lambda event: event.session[1:],
        "time": time,
        "item": lambda event: event.item,
        "category": lambda event: int(event.item) % 3 or "S",
    }
    buys = {
        "session": lambda event: event.session[1:],
        "time": time,
        "item": lambda event: event.item,
        "price": lambda event: int(event.price),
        "quantity": lambda _: 1,
    }
    viewed = [event for event in EVENTS if event.kind != "purchase"]
    bought = [event for event in EVENTS if event.kind == "purchase"]
    write_csv(folder / "yoochoose-clicks.dat", clicks, viewed, header=False)
    write_csv(folder / "yoochoose-buys.dat", buys, bought, header=False)
    return folder


def diginetica(folder: Path) -> Path:
    views = {
        "sessionId": lambda event: event.session[1:],
        "userId": lambda event: event.visitor,
        "itemId": lambda event: event.item,
        "timeframe": lambda event: int(1000 * (event.time.timestamp() % 86_400)),
        "eventdate": lambda event: f"{event.time:%Y-%m-%d}",
    }
    purchases = {
        "sessionId": views["sessionId"],
        "userId": views["userId"],
        "timeframe": views["timeframe"],
        "eventdate": views["eventdate"],
        "ordernumber": lambda event: event.order,
        "itemId": views["itemId"],
    }
    viewed = [event for event in EVENTS if event.kind != "purchase"]
    bought = [event for event in EVENTS if event.kind == "purchase"]
    write_csv(folder / "train-item-views.csv", views, viewed, separator=";")
    write_csv(folder / "train-purchases.csv", purchases, bought, separator=";")
    return folder


def ga4_rows() -> list[dict[str, object]]:
    words = {"view": "view_item", "cart": "add_to_cart", "purchase": "purchase"}
    return [
        {
            "event_date": f"{event.time:%Y%m%d}",
            "event_timestamp": int(1e6 * event.time.timestamp()),
            "event_name": words[event.kind],
            "user_pseudo_id": event.visitor,
            "event_params": [
                {
                    "key": "ga_session_id",
                    "value": {"string_value": None, "int_value": int(event.session[1:])},
                },
                {"key": "page_location", "value": {"string_value": f"/p/{event.item}", "int_value": None}},
            ],
            "items": [{"item_id": event.item, "price": event.price, "item_category": event.category}],
        }
        for event in EVENTS
    ]


def ga4(folder: Path) -> Path:
    path = folder / "export.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in ga4_rows()))
    return path


def ga4_parquet(folder: Path) -> Path:
    path = folder / "export.parquet"
    pq.write_table(pa.Table.from_pylist(ga4_rows()), path)
    return path


def snowplow(folder: Path) -> Path:
    words = {"view": "page_view", "cart": "add_to_cart", "purchase": "transaction_item"}
    values: dict[str, Callable[[Event], object]] = {name: lambda _: "" for name in COLUMNS.split()}
    values |= {
        "collector_tstamp": lambda event: f"{event.time:%Y-%m-%d %H:%M:%S.%f}",
        "derived_tstamp": lambda event: f"{event.time:%Y-%m-%d %H:%M:%S.%f}",
        "event": lambda event: words[event.kind],
        "event_name": lambda event: words[event.kind],
        "domain_userid": lambda event: event.visitor,
        "domain_sessionid": lambda event: event.session,
        "ti_sku": lambda event: event.item,
    }
    return write_csv(folder / "enriched.tsv", values, EVENTS, separator="\t", header=False)


def otto(folder: Path) -> Path:
    words = {"view": "clicks", "cart": "carts", "purchase": "orders"}
    sessions: dict[str, list[dict[str, object]]] = {}
    for event in EVENTS:
        line = {"aid": int(event.item), "ts": int(1000 * event.time.timestamp()), "type": words[event.kind]}
        sessions.setdefault(event.session[1:], []).append(line)
    path = folder / "mine.jsonl"
    lines = [json.dumps({"session": int(name), "events": events}) for name, events in sessions.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rees46", rees46),
        ("taobao", taobao),
        ("retailrocket", retailrocket),
        ("yoochoose", yoochoose),
        ("diginetica", diginetica),
        ("ga4", ga4),
        ("ga4", ga4_parquet),
        ("snowplow", snowplow),
        ("otto", otto),
    ],
)
def test_a_known_layout_gets_its_short_form(name: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    inspection = inspect([str(make(tmp_path))])
    assert not inspection.problem
    assert load(inspection.name, inspection.text).format == name
    assert f"format: {name}" in inspection.text and "separator" not in inspection.text
    assert all(not mapped.rejected for mapped in inspection.mapped)
    counts: dict[str, int] = {}
    for mapped in inspection.mapped:
        for word, count in mapped.events.items():
            counts[word] = counts.get(word, 0) + count
    kinds = ("view", "purchase") if name in ("yoochoose", "diginetica") else tuple(FOUND)
    for kind in kinds[1:]:
        assert counts[FOUND[kind]] == sum(event.kind == kind for event in EVENTS)
    # A session of Retailrocket is all that a visitor does.
    buyers = {
        event.visitor if name == "retailrocket" else event.session
        for event in EVENTS
        if event.kind == "purchase"
    }
    assert inspection.estimate is not None and inspection.estimate.buyers == len(buyers)


def test_a_table_of_a_known_layout_may_have_further_columns(tmp_path: Path) -> None:
    views = diginetica(tmp_path) / "train-item-views.csv"
    head, *lines = views.read_text().splitlines()
    views.write_text("\n".join([f"{head};position", *(f"{line};1" for line in lines)]))
    inspection = inspect([str(tmp_path)])
    assert load(inspection.name, inspection.text).format == "diginetica"
    assert {file.name for table in inspection.tables for file in table.files} == {
        "train-item-views.csv",
        "train-purchases.csv",
    }


def test_a_known_layout_under_another_separator_is_written_out(tmp_path: Path) -> None:
    path = rees46(tmp_path)
    path.write_text(path.read_text().replace(",", "|"))
    inspection = inspect([str(path)])
    assert not inspection.problem
    assert load(inspection.name, inspection.text).format == "table"
    assert "the layout of rees46, but" in inspection.text


def test_a_known_layout_with_other_names_is_written_out(tmp_path: Path) -> None:
    path = rees46(tmp_path)
    header, rest = path.read_text().split("\n", 1)
    path.write_text(f"{header.upper()}\n{rest}")
    inspection = inspect([str(path)])
    assert inspection.complete and "the layout of rees46, but" in inspection.text
