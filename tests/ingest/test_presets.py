"""The presets read logs in the layouts of the published ones, and a user can extend them."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_logs import CLICKS, read_tables

from rabbithole.formats.snowplow import COLUMNS
from rabbithole.ingest.locate import locate
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark


def shown(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return the time and some columns of events."""
    return [(row["timestamp"].isoformat()[:-6], *(row[name] for name in names)) for row in rows]


REES46 = """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00
2019-10-01 00:00:05 UTC,cart,1004237,2053013555,electronics.smartphone,apple,1081.98,5358,c6bd7419
2019-10-01 00:00:09 UTC,remove_from_cart,1004237,2053013555,electronics.smartphone,apple,1081.98,5358,c6bd7419
2019-10-01 00:01:00 UTC,purchase,1004237,2053013555,electronics.smartphone,apple,1081.98,5358,c6bd7419
"""


def test_rees46_as_kaggle_packs_it(tmp_path: Path, spark: SparkOptions) -> None:
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("2019-Oct.csv", REES46)
        archive.writestr("2019-Nov.csv", REES46.replace("2019-10", "2019-11"))
    rows, manifest = read_tables(tmp_path, {"archive.zip": pack.getvalue()}, spark, format="rees46")
    assert shown(rows[:2], "session_id", "visitor", "event", "item", "category_2", "cost", "brand") == [
        (
            "2019-10-01T00:00:00",
            "72d76fde-8bb3-4e00",
            "541312140",
            "view",
            "44600062",
            None,
            35.79,
            "shiseido",
        ),
        (
            "2019-11-01T00:00:00",
            "72d76fde-8bb3-4e00",
            "541312140",
            "view",
            "44600062",
            None,
            35.79,
            "shiseido",
        ),
    ]
    assert [(row["event"], row["category_1"], row["category_2"]) for row in rows[2:5]] == [
        ("addtocart", "electronics", "electronics.smartphone"),
        ("remove_from_cart", "electronics", "electronics.smartphone"),
        ("transaction", "electronics", "electronics.smartphone"),
    ]
    assert (manifest.format, manifest.sessions, manifest.visitors) == ("rees46", 2, 2)


def test_a_user_extends_a_preset_and_leaves_out_a_field(tmp_path: Path, spark: SparkOptions) -> None:
    changes = {"fields": {"brand": None, "shelf": {"column": "category_id"}}, "category": {"levels": 1}}
    _, manifest = read_tables(
        tmp_path, {"2019-Oct.csv": REES46}, spark, format="rees46", table={"events": changes}
    )
    assert manifest.fields == {"category_1": "category", "shelf": "category"}


def test_taobao(tmp_path: Path, spark: SparkOptions) -> None:
    log = "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,cart,1511561733\n"
    log += "1,2576651,149192,buy,1511572885\n"
    rows, manifest = read_tables(tmp_path, {"UserBehavior.csv": log}, spark, format="taobao")
    assert shown(rows, "session_id", "visitor", "event", "item", "category") == [
        ("2017-11-24T17:21:10", "1", "1", "view", "2268318", "2520377"),
        ("2017-11-24T22:15:33", "1", "1", "addtocart", "2333346", "2520771"),
        ("2017-11-25T01:21:25", "1", "1", "transaction", "2576651", "149192"),
    ]
    assert manifest.lines.header == 0


def test_diginetica(tmp_path: Path, spark: SparkOptions) -> None:
    files = {
        "train-item-views.csv": "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n"
        "1;NA;31331;1031018;2016-05-09\n",
        "train-purchases.csv": "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n"
        "1;NA;1031019;2016-05-09;16421;31331\n",
        "products.csv": "itemId;pricelog2;product.name.tokens\n1;10;4875,776\n",
    }
    rows, manifest = read_tables(tmp_path, files, spark, format="diginetica")
    assert shown(rows, "session_id", "event", "item") == [
        ("2016-05-09T00:08:46.309000", "1", "view", "81766"),
        ("2016-05-09T00:17:11.018000", "1", "view", "31331"),
        ("2016-05-09T00:17:11.019000", "1", "transaction", "31331"),
    ]
    assert manifest.visitors is None


def ga4(name: str, time: int, items: list[dict[str, Any]], page: str = "https://shop/") -> dict[str, Any]:
    """Return a line of GA4's export."""
    no = {"string_value": None, "int_value": None, "float_value": None, "double_value": None}
    return {
        "event_date": "20210131",
        "event_timestamp": time,
        "event_name": name,
        "event_params": [
            {"key": "ga_session_id", "value": no | {"int_value": 661084800}},
            {"key": "page_location", "value": no | {"string_value": page}},
        ],
        "user_pseudo_id": "1026454.4271112504",
        "items": items,
    }


ITEM = {"item_id": "GGOE", "item_brand": "Google", "item_category": "Bags", "price": 9.5, "quantity": 2}
GA4 = [
    ga4("page_view", 1612069510766593, []),
    ga4("add_to_cart", 1612069520766593, [ITEM]),
    ga4("purchase", 1612069530766593, [ITEM, ITEM | {"item_id": "GGOA", "price": None}]),
]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_ga4(tmp_path: Path, spark: SparkOptions, kind: str) -> None:
    content: str | bytes = "\n".join(map(json.dumps, GA4))
    if kind == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(GA4), buffer)
        content = buffer.getvalue()
    rows, manifest = read_tables(tmp_path, {"events_20210131": content}, spark, format="ga4")
    assert {row["session_id"] for row in rows} == {"1026454.4271112504:661084800"}
    assert shown(rows, "event", "item", "category", "cost", "brand", "quantity", "page") == [
        ("2021-01-31T05:05:10.766593", "page_view", None, None, None, None, None, "https://shop/"),
        ("2021-01-31T05:05:20.766593", "addtocart", "GGOE", "Bags", 9.5, "Google", 2.0, "https://shop/"),
        ("2021-01-31T05:05:30.766593", "transaction", "GGOE", "Bags", 9.5, "Google", 2.0, "https://shop/"),
        ("2021-01-31T05:05:30.766593", "transaction", "GGOA", "Bags", None, "Google", 2.0, "https://shop/"),
    ]
    assert (manifest.lines.lines, manifest.lines.exploded, manifest.visitors) == (3, 1, 1)


def test_snowplow(tmp_path: Path, spark: SparkOptions) -> None:
    def line(**values: str) -> str:
        shared = {
            "domain_userid": "bc2e",
            "domain_sessionid": "83e5",
            "derived_tstamp": "2021-05-01 10:00:00.123",
        }
        return "\t".join((shared | values).get(name, "") for name in COLUMNS.split()) + "\n"

    action = {"schema": "iglu:a", "data": {"schema": "iglu:b", "data": {"type": "add_to_cart"}}}
    log = (
        line(event="page_view", event_name="page_view", page_urlpath="/hats")
        + line(event="unstruct", event_name="snowplow_ecommerce_action", unstruct_event=json.dumps(action))
        + line(
            event="unstruct",
            event_name="link_click",
            derived_tstamp="",
            collector_tstamp="2021-05-01 10:01:00",
        )
        + line(
            event="transaction_item",
            event_name="transaction_item",
            ti_sku="H1",
            ti_category="hats",
            ti_price="5",
        )
    )
    rows, manifest = read_tables(tmp_path, {"part-00000.gz": log}, spark, format="snowplow")
    assert [(row["event"], row["item"], row["category"], row["cost"], row["page"]) for row in rows] == [
        ("view", None, None, None, "/hats"),
        ("addtocart", None, None, None, None),
        ("transaction", "H1", "hats", 5.0, None),
        ("link_click", None, None, None, None),
    ]
    assert (rows[3]["timestamp"].minute, manifest.sessions, manifest.visitors) == (1, 1, 1)


def test_otto(tmp_path: Path, spark: SparkOptions) -> None:
    lines = [
        {
            "session": 12899779,
            "events": [
                {"aid": 59625, "ts": 1661724000278, "type": "clicks"},
                {"aid": 59625, "ts": 1661724010278, "type": "carts"},
                {"aid": 59625, "ts": 1661724020278, "type": "orders"},
            ],
        },
        {"session": 12899780, "events": [{"aid": 1142000, "ts": 1661724000378, "type": "clicks"}]},
    ]
    files = {"otto-recsys-train.jsonl": "\n".join(map(json.dumps, lines)), "otto-recsys-test.jsonl": "{}\n"}
    rows, manifest = read_tables(tmp_path, files, spark, format="otto")
    assert shown(rows, "session_id", "event", "item") == [
        ("2022-08-28T22:00:00.278000", "12899779", "view", "59625"),
        ("2022-08-28T22:00:10.278000", "12899779", "addtocart", "59625"),
        ("2022-08-28T22:00:20.278000", "12899779", "transaction", "59625"),
        ("2022-08-28T22:00:00.378000", "12899780", "view", "1142000"),
    ]
    lines_read = manifest.lines
    assert (lines_read.lines, lines_read.exploded, lines_read.kept) == (2, 2, 4)


def test_one_archive_holds_all_files_of_a_known_log(tmp_path: Path, spark: SparkOptions) -> None:
    """YOOCHOOSE's archive as it comes: clicks, buys, a test file and a readme."""
    import py7zr
    from raw_logs import read

    buys = "1,2014-04-07T10:54:09.868Z,104,523,1\n"
    raw = tmp_path / "raw"
    raw.mkdir()
    with py7zr.SevenZipFile(raw / "yoochoose-data.7z", "w") as archive:
        for name, text in (("clicks", CLICKS), ("buys", buys), ("test", CLICKS)):
            archive.writestr(text, f"yoochoose-{name}.dat")
        archive.writestr("about", "dataset-README.txt")
    assert set(locate("yoochoose", raw / "yoochoose-data.7z")) == {"clicks", "buys"}
    rows, manifest = read(tmp_path, "yoochoose", {}, spark)
    plain, _ = read(
        tmp_path / "plain", "yoochoose", {"yoochoose-clicks.dat": CLICKS, "yoochoose-buys.dat": buys}, spark
    )
    assert rows == plain
    assert manifest.files_missing == []
