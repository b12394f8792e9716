"""What `rabbithole inspect` writes for logs in many layouts: it loads, and names the right columns."""

import dataclasses
import gzip
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from factories.shop_logs import Event, shop_events, write_csv
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rabbithole.config.datasets import Dataset
from rabbithole.config.validation import parse_config
from rabbithole.ingest.locate import locate
from rabbithole.inspection.inspect import Inspection, inspect, load
from rabbithole.specs.table import TableSpec

STANDARD = {
    "timestamp": lambda event: event.time.isoformat(),
    "session_id": lambda event: event.session,
    "user_id": lambda event: event.visitor,
    "event_type": lambda event: event.kind,
    "product_id": lambda event: event.item,
    "category": lambda event: event.category,
    "price": lambda event: event.price,
    "brand": lambda event: event.brand,
}


def only(**names: str) -> dict[str, object]:
    """Return the standard columns with these names, under new names."""
    return {new: STANDARD[old] for new, old in names.items()}


def read(*files: Path) -> tuple[Inspection, Dataset, TableSpec]:
    """Return what is written for a log of one table, which must be complete and reject no row."""
    inspection = inspect([str(file) for file in files])
    assert not inspection.problem
    assert all(not mapped.rejected for mapped in inspection.mapped)
    dataset = load(inspection.name, inspection.text)
    assert dataset.table is not None
    return inspection, dataset, next(iter(dataset.table.values()))


def roles(table: TableSpec) -> dict[str, object]:
    return {
        "time": table.time.column,
        "session": table.session,
        "visitor": table.visitor,
        "event": table.event.column,
        "item": table.item,
        "cost": table.cost,
    }


def test_a_plain_log_is_read_whole_and_counted(tmp_path: Path) -> None:
    events = shop_events()
    inspection, dataset, table = read(write_csv(tmp_path / "shop.csv", STANDARD, events))
    assert roles(table) == {
        "time": ["timestamp"],
        "session": ["session_id"],
        "visitor": "user_id",
        "event": ["event_type"],
        "item": ["product_id"],
        "cost": ["price"],
    }
    assert table.category is not None and table.category.separator == "." and table.category.levels == 2
    assert table.event.words == {"cart": "addtocart", "purchase": "transaction"}
    assert set(table.fields) == {"brand"}
    assert dataset.sessions.by == "session"
    found = inspection.estimate
    assert found is not None and found.exact
    assert found.events == len(events)
    assert found.sessions == len({event.session for event in events})
    assert found.buyers == len({event.session for event in events if event.kind == "purchase"})


def test_semicolons_decimal_commas_and_latin_1(tmp_path: Path) -> None:
    columns = {
        "Zeitstempel": lambda event: event.time.strftime("%d.%m.%Y %H:%M:%S"),
        "Kunden-Nr": STANDARD["user_id"],
        "Aktion": lambda event: {"view": "Ansicht", "cart": "Warenkorb", "purchase": "Kauf"}[event.kind],
        "Artikelnummer": STANDARD["product_id"],
        "Preis": lambda event: f"{event.price:.2f}".replace(".", ","),
        "Größe": lambda event: f"Größe {int(event.item) % 5}",
    }
    path = write_csv(tmp_path / "log.csv", columns, separator=";", encoding="latin-1")
    _, dataset, table = read(path)
    assert (table.separator, table.decimal, table.encoding) == (";", ",", "latin-1")
    assert table.time.unit == "%d.%m.%Y %H:%M:%S"
    assert (table.visitor, table.item, table.cost) == ("Kunden-Nr", ["Artikelnummer"], ["Preis"])
    assert table.event.words == {"Ansicht": "view", "Warenkorb": "addtocart", "Kauf": "transaction"}
    assert list(table.fields) == ["grosse"] and table.fields["grosse"].kind == "category"
    assert dataset.sessions.by == "visitor" and dataset.sessions.gap_minutes == 30


def test_a_log_without_header_is_told_by_its_values(tmp_path: Path) -> None:
    columns = {
        name: STANDARD[name] for name in ("session_id", "timestamp", "product_id", "event_type", "category")
    }
    inspection, _, table = read(write_csv(tmp_path / "log.txt", columns, header=False))
    assert table.header is False
    assert (table.time.column, table.session, table.event.column) == (["2"], ["1"], ["4"])
    assert "check: told by its values" in inspection.text


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000), ("us", 10**6)])
def test_epochs_are_told_by_their_size(tmp_path: Path, unit: str, factor: int) -> None:
    columns = {**STANDARD, "timestamp": lambda event: round(event.time.timestamp() * factor)}
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.time.unit == unit


def test_times_with_a_zone_need_no_check(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    zoned = {**STANDARD, "timestamp": lambda event: event.time.astimezone(berlin).isoformat()}
    naive = {**STANDARD, "timestamp": lambda event: event.time.strftime("%Y-%m-%d %H:%M:%S.%f")}
    assert "name no zone" not in read(write_csv(tmp_path / "zoned.csv", zoned))[0].text
    assert "name no zone" in read(write_csv(tmp_path / "naive.csv", naive))[0].text


def test_date_and_time_in_two_columns(tmp_path: Path) -> None:
    columns = {
        "COOKIE": STANDARD["user_id"],
        "Date": lambda event: event.time.strftime("%d/%m/%Y"),
        "Time": lambda event: event.time.strftime("%H:%M:%S"),
        "Webpage": lambda event: {"view": "product", "cart": "addcart", "purchase": "pay_res"}[event.kind],
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.time.column, table.time.date, table.time.unit) == (["Time"], "Date", "%d/%m/%Y %H:%M:%S")
    assert table.item is None
    assert table.event.words["pay_res"] == "transaction"
    assert "pay_res probably means a purchase" in inspection.text


def test_nested_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    lines = [
        json.dumps(
            {
                "meta": {"ts": event.time.isoformat(), "session": {"id": event.session}},
                "event": {"name": event.kind},
                "product": {"sku": event.item, "price": event.price},
                "tags": ["a", event.device],
            }
        )
        for event in shop_events()
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    _, _, table = read(path)
    assert (table.kind, table.time.column, table.session) == ("json", ["meta.ts"], ["meta.session.id"])
    assert (table.event.column, table.item, table.cost) == (
        ["event.name"],
        ["product.sku"],
        ["product.price"],
    )


def test_parquet_with_naive_times(tmp_path: Path) -> None:
    events = shop_events()
    table = pa.table(
        {
            "ts": pa.array([event.time.replace(tzinfo=None) for event in events], pa.timestamp("us")),
            "visitor": [int(event.visitor) for event in events],
            "action": pa.array([event.kind for event in events]).dictionary_encode(),
            "sku": [event.item for event in events],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=200)
    inspection, _, spec = read(tmp_path / "log.parquet")
    assert (spec.kind, spec.time.column, spec.visitor) == ("parquet", ["ts"], "visitor")
    assert "name no zone" in inspection.text


def test_views_and_purchases_in_two_tables(tmp_path: Path) -> None:
    events = shop_events()
    views = {name: STANDARD[name] for name in ("session_id", "timestamp", "product_id", "category")}
    bought = {"session_id": 0, "timestamp": 0, "product_id": 0, "price": 0}
    orders = {name: STANDARD[name] for name in bought} | {"quantity": lambda event: 1 + int(event.item) % 3}
    write_csv(tmp_path / "views_1.csv", views, [event for event in events if event.kind == "view"][::2])
    write_csv(tmp_path / "views_2.csv", views, [event for event in events if event.kind == "view"][1::2])
    write_csv(tmp_path / "orders.csv", orders, [event for event in events if event.kind == "purchase"])
    (tmp_path / "products.csv").write_text(
        "product_id,name\n" + "".join(f"{n},thing {n}\n" for n in range(500, 560))
    )
    inspection, dataset, _ = read(tmp_path)
    assert dataset.table is not None and set(dataset.table) == {"views", "purchases"}
    views_table, purchases = dataset.table["views"], dataset.table["purchases"]
    assert (views_table.event.name, views_table.files) == ("view", ["views_1.csv", "views_2.csv"])
    assert (purchases.event.name, purchases.files) == ("transaction", "orders.csv")
    assert not purchases.fields
    assert "left out: products.csv" in inspection.text
    assert inspection.estimate is not None and inspection.estimate.buyers


def test_a_file_that_holds_no_events_is_not_read(tmp_path: Path) -> None:
    log = write_csv(tmp_path / "events.csv", STANDARD)
    (tmp_path / "tree.csv").write_text("category,parent\n1,\n2,1\n")
    inspection = inspect([str(log), str(tmp_path / "tree.csv")])
    dataset = load(inspection.name, inspection.text)
    assert locate(dataset.format, dataset.source, dataset.table_log) == {"events": [log]}


def test_columns_that_give_the_answer_away_are_left_out(tmp_path: Path) -> None:
    buyers = {event.session for event in shop_events() if event.kind == "purchase"}
    columns = {
        **STANDARD,
        "order_id": lambda event: event.order,
        "shipping": lambda event: "express" if event.order else "",
        "premium": lambda event: "yes" if event.session in buyers else "no",
        "is_buyer": lambda event: int(event.session in buyers),
        "row": lambda event: f"{event.time.isoformat()}-{event.session}",
        "shop": lambda _: "main",
        "device": lambda event: event.device,
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert set(table.fields) == {"brand", "device"}
    for name in ("order_id", "shipping", "premium", "is_buyer"):
        (line,) = [line for line in inspection.text.split("\n") if f"left out: {name}:" in line]
        assert "give the answer away" in line or "answer away" in inspection.text


def test_a_word_that_only_ends_sessions_is_left_out(tmp_path: Path) -> None:
    """A buyer's session ends with a purchase, so such a word would tell who does not buy."""
    events = shop_events()
    last = {event.session: event for event in events if event.kind != "purchase"}
    buyers = {event.session for event in events if event.kind == "purchase"}
    ends = [
        dataclasses.replace(event, kind="timeout", time=event.time + timedelta(seconds=9))
        for session, event in last.items()
        if session not in buyers
    ]
    log = write_csv(tmp_path / "log.csv", STANDARD, sorted([*events, *ends], key=lambda event: event.time))
    inspection, _, table = read(log)
    assert table.event.leave_out == ["timeout"]
    assert "# check: always the last event of its session" in inspection.text
    assert "timeout" not in inspection.mapped[0].events
    plain, _, table = read(write_csv(tmp_path / "plain.csv", STANDARD, events))
    assert table.event.leave_out == []
    assert plain.estimate is not None and inspection.estimate is not None
    assert inspection.estimate.buyers == plain.estimate.buyers


def test_an_ambiguous_order_of_day_and_month_is_not_guessed(tmp_path: Path) -> None:
    draw = random.Random(0)
    events = [event for event in shop_events() if event.time.day <= 12]
    draw.shuffle(events)
    columns = {**STANDARD, "timestamp": lambda event: event.time.strftime("%d/%m/%Y %H:%M:%S")}
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns, events))])
    assert "the time" in inspection.problem
    assert "# time: {column: timestamp, unit: '%m/%d/%Y %H:%M:%S'" in inspection.text
    assert "\n        time:" not in inspection.text


def test_two_tables_share_their_session_beside_a_visitor(tmp_path: Path) -> None:
    """A table of purchases names each session once, as it would an order."""
    events = shop_events()
    shared = ("session_id", "user_id", "timestamp", "product_id")
    views = {name: STANDARD[name] for name in shared}
    orders = {name: STANDARD[name] for name in (*shared, "price")}
    write_csv(tmp_path / "views.csv", views, [event for event in events if event.kind == "view"])
    write_csv(tmp_path / "orders.csv", orders, [event for event in events if event.kind == "purchase"])
    _, dataset, _ = read(tmp_path)
    assert dataset.sessions.by == "session" and dataset.table is not None
    for table in dataset.table.values():
        assert (table.session, table.visitor) == (["session_id"], "user_id")


def test_two_columns_that_may_be_the_visitor_are_not_guessed(tmp_path: Path) -> None:
    columns = {name: STANDARD[name] for name in ("timestamp", "event_type", "product_id")} | {
        "client": lambda event: int(event.visitor) % 70,
        "utilisateur": lambda event: int(event.visitor) % 90,
    }
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert "session or visitor" in inspection.problem
    assert "# visitor: client" in inspection.text and "# visitor: utilisateur" in inspection.text


def test_numbers_below_24_are_no_time_and_two_values_no_session(tmp_path: Path) -> None:
    columns = {
        "time": lambda event: event.time.hour + 0.5,
        "session": lambda event: int(event.visitor) % 2,
        "event_type": STANDARD["event_type"],
    }
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert "the time" in inspection.problem and "the session or visitor" in inspection.problem


def test_a_table_without_anything_known_says_what_to_fill_in(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b\n" + "".join(f"{n % 7},x{n % 3}\n" for n in range(100)))
    inspection = inspect([str(path)])
    for need in ("the time", "the session or visitor", "a view, a purchase"):
        assert need in inspection.problem
    assert "# unsure:" in inspection.text


def test_names_and_values_with_control_characters_stay_text(tmp_path: Path) -> None:
    columns = {**STANDARD, "bra\x1b[31mnd: #": lambda event: f"\x1b]0;{event.brand}\x07"}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert inspection.text.replace("\n", "").isprintable()
    (field,) = [field for name, field in table.fields.items() if name != "brand"]
    assert field.column == ["bra\x1b[31mnd: #"]


ALIASES = {
    "timestamp": ["event_time", "Zeitstempel", "horodatage", "eventTimestamp", "FECHA_HORA", "created_at"],
    "session_id": ["sessionId", "user_session", "SID", "Sitzung", "visit_id", "id_sesion"],
    "user_id": ["visitorid", "Kunde", "customer_id", "utilisateur", "cookie", "ID_CLIENTE"],
    "event_type": ["action", "behavior", "Ereignis", "eventName", "tipo_evento"],
    "product_id": ["itemid", "SKU", "artikel_nr", "idProducto", "aid"],
    "price": ["Preis", "unit_price", "prix", "PRECIO"],
}


# Shrinking takes minutes, and a failing choice of names is plain enough.
@pytest.mark.slow
@settings(max_examples=20, phases=[Phase.generate])
@given(data=st.data())
def test_order_and_names_of_columns_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(ALIASES)))
    names = {role: data.draw(st.sampled_from([role, *ALIASES[role]])) for role in order}
    path = tmp_path_factory.mktemp("log") / "log.csv"
    _, _, table = read(write_csv(path, {names[role]: STANDARD[role] for role in order}, EVENTS))
    assert roles(table) == {
        "time": [names["timestamp"]],
        "session": [names["session_id"]],
        "visitor": names["user_id"],
        "event": [names["event_type"]],
        "item": [names["product_id"]],
        "cost": [names["price"]],
    }


EVENTS: list[Event] = shop_events(60)


@pytest.mark.parametrize("date", ["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y"])
@pytest.mark.parametrize("clock", ["%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%H%M%S", "%H:%M:%S", "%H:%M"])
def test_a_date_and_a_time_of_day_of_any_kind_are_one_time(tmp_path: Path, date: str, clock: str) -> None:
    columns = {
        **{name: STANDARD[name] for name in ("user_id", "event_type", "product_id")},
        "date": lambda event: event.time.strftime(date),
        "time": lambda event: event.time.strftime(clock),
    }
    events = shop_events()
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns, events))
    assert (table.time.date, table.time.column) == ("date", ["time"])
    expected = min(event.time for event in events)
    if "%S" not in clock:
        expected = expected.replace(second=0)
    assert inspection.estimate is not None
    assert inspection.estimate.first == expected.replace(microsecond=0).timestamp()


@pytest.mark.parametrize("bad", ["one field", "1,2,3,4,5,6,7,8,9", 'an "open quote,1,2,3,4,5'])
@pytest.mark.parametrize("every", [25, 900])
def test_lines_unlike_the_others_hide_no_column(tmp_path: Path, bad: str, every: int) -> None:
    path = write_csv(tmp_path / "log.csv", STANDARD)
    lines = path.read_text("utf-8").splitlines()
    worse = [lines[0], *(bad if number % every == 7 else line for number, line in enumerate(lines[1:]))]
    path.write_text("\n".join(worse) + "\n", "utf-8")
    inspection, _, table = read(path)
    assert table.separator == "," and roles(table)["time"] == ["timestamp"]
    assert table.session == ["session_id"]
    assert inspection.tables[0].sample.malformed == worse.count(bad)


def test_a_header_may_lack_names_or_repeat_them(tmp_path: Path) -> None:
    """As pandas writes row numbers, and as joined tables have the same column twice."""
    path = write_csv(tmp_path / "log.csv", STANDARD)
    lines = path.read_text("utf-8").splitlines()
    header = f",{lines[0]},price"
    rows = [f"{number},{line},{number}" for number, line in enumerate(lines[1:])]
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    _, _, table = read(path)
    assert table.header is True and roles(table)["time"] == ["timestamp"]
    assert table.item == ["product_id"]


def test_a_large_file_is_sampled_and_its_sessions_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = shop_events(6_000)
    by_time = write_csv(tmp_path / "time.csv", STANDARD, events)
    by_session = write_csv(
        tmp_path / "session.csv", STANDARD, sorted(events, key=lambda e: (e.session, e.time))
    )
    monkeypatch.setattr("rabbithole.inspection.sample.BUDGET", by_time.stat().st_size // 4)
    buyers = sum(event.kind == "purchase" for event in events)
    for path in (by_time, by_session):
        found = read(path)[0].estimate
        assert found is not None and not found.exact
        assert found.sessions == pytest.approx(6_000, rel=0.1)
        assert found.buyers == pytest.approx(buyers, rel=0.25)


def test_a_log_with_few_buyers_is_offered_folds(tmp_path: Path) -> None:
    """300 sessions have some 60 buyers, so test would have 6."""
    offered = "    # split: {by: folds, count: 5}"
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", STANDARD))
    assert offered in inspection.text.split("\n")
    text = inspection.text.replace("    # split:", "    split:")
    assert load(inspection.name, text).split.folds == 5
    many, _, _ = read(write_csv(tmp_path / "many.csv", STANDARD, shop_events(2_000)))
    assert "folds" not in many.text


def test_a_log_with_few_buyers_to_learn_from_is_offered_a_search(tmp_path: Path) -> None:
    offered = "# training: {tune: 10}"
    few, _, _ = read(write_csv(tmp_path / "few.csv", STANDARD, shop_events(2_000)))
    assert offered in few.text.split("\n")
    chosen = yaml.safe_load(few.text.replace(offered, offered.removeprefix("# ")))
    assert parse_config({**chosen, "models": {"gru": {}}}).training.tune == 10
    many, _, _ = read(write_csv(tmp_path / "many.csv", STANDARD, shop_events(12_000)))
    assert many.estimate is not None and (many.estimate.buyers or 0) > 2_000 and "tune" not in many.text


def test_the_moment_of_events_is_kept(tmp_path: Path) -> None:
    events = shop_events()
    found = read(write_csv(tmp_path / "log.csv", STANDARD, events))[0].estimate
    assert found is not None
    assert datetime.fromtimestamp(found.first, events[0].time.tzinfo) == events[0].time


def test_sessions_that_begin_with_a_purchase_teach_nothing(tmp_path: Path) -> None:
    events = shop_events()
    buyers = sorted({event.session for event in events if event.kind == "purchase"})
    alone = set(buyers[:7])
    kept = [event for event in events if event.session not in alone or event.kind == "purchase"]
    found = read(write_csv(tmp_path / "log.csv", STANDARD, kept))[0].estimate
    assert found is not None
    assert (found.at_once, found.buyers) == (7, len(buyers) - 7)
