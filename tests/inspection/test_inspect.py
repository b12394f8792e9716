"""What `rabbithole inspect` writes for logs in many layouts: it loads, and names the right columns."""

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from factories.inspected import STANDARD, read, roles, without
from factories.shop_logs import Event, shop_events, write_csv
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rabbithole.config.validation import parse_config
from rabbithole.inspection.inspect import inspect, load


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
    with_history = load(inspection.name, inspection.text.replace("# windows:", "windows:"))
    assert dataset.history_events == 0 and with_history.history_events > 0
    estimate = inspection.estimate
    assert estimate is not None and estimate.exact
    assert estimate.events == len(events)
    assert estimate.sessions == len({event.session for event in events})
    assert estimate.buyers == len({event.session for event in events if event.kind == "purchase"})


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


def test_negative_prices_are_pointed_out(tmp_path: Path) -> None:
    """A refund is an event without a price. Under the word for a purchase, it also counts as one."""
    events = shop_events()
    refunds = [dataclasses.replace(event, kind="refund", price=-9.5) for event in events[:6]]
    wrong = [dataclasses.replace(event, kind="purchase", price=-9.5) for event in events[6:9]]
    inspection, _, table = read(write_csv(tmp_path / "log.csv", STANDARD, [*refunds, *wrong, *events]))
    assert table.cost == ["price"]
    said = " ".join(inspection.text.replace("#", "").split())
    assert "of the prices are negative: these events are kept, without a price" in said
    assert "3 of them count as purchases" in said


def test_words_that_differ_by_case_or_blanks_are_one(tmp_path: Path) -> None:
    """Those of views, carts and purchases. Others are pointed out."""
    spelled = {
        "view": ["view", "View", "VIEW ", "search", "Search"],
        "cart": ["cart", "CART"],
        "purchase": ["purchase", "Purchase"],
    }
    columns = {
        **STANDARD,
        "event_type": lambda event: spelled[event.kind][int(event.item) % len(spelled[event.kind])],
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.event.words == {
        "View": "view",
        "VIEW ": "view",
        "cart": "addtocart",
        "CART": "addtocart",
        "purchase": "transaction",
        "Purchase": "transaction",
    }
    assert inspection.tables[0].words.alike in ((("search", "Search"),), (("Search", "search"),))
    assert "are several kinds of events: give them one name" in " ".join(
        inspection.text.replace("#", "").split()
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("время", "сессия", "событие", "товар"), ("просмотр", "корзина", "покупка")),
        (("zaman", "oturum", "işlem", "ürün"), ("görüntüleme", "sepete ekle", "satın alma")),  # noqa: RUF001
        (("czas", "sesja", "zdarzenie", "produkt"), ("wyświetlenie", "dodaj do koszyka", "Zamówienie")),
        (("行为时间", "会话编号", "行为类型", "商品编号"), ("浏览", "加购", "支付")),
        (("일시", "세션ID", "행동", "상품코드"), ("상품조회", "장바구니담기", "구매완료")),
        (
            ("Дата и время", "ID сессии", "Действие", "Артикул"),
            ("Просмотр товара", "Добавлен в корзину", "Заказ оформлен"),
        ),
        (
            ("Horodatage", "Identifiant de session", "Action", "Référence produit"),
            ("Consultation", "Ajout au panier", "Commande validée"),
        ),
        (
            ("Data e ora", "ID sessione", "Evento", "Codice prodotto"),
            ("Visualizzazione", "Aggiunto al carrello", "Acquisto completato"),
        ),
        (
            ("Tidpunkt", "Sessions-ID", "Händelse", "Artikelnummer"),
            ("Visning", "Lagd i varukorg", "Köp"),
        ),
        (("日時", "セッション", "イベント", "商品"), ("閲覧", "カート", "購入")),
        (
            ("Fecha y hora", "Número de sesión", "Tipo de evento", "Código del artículo"),
            ("ver", "añadir al carrito", "compra"),
        ),
    ],
)
def test_names_and_words_of_other_languages(
    tmp_path: Path, names: tuple[str, ...], words: tuple[str, ...]
) -> None:
    translated = dict(zip(("view", "cart", "purchase"), words, strict=True))
    getters = [STANDARD["timestamp"], STANDARD["session_id"], lambda event: translated[event.kind]]
    columns = dict(zip(names, [*getters, STANDARD["product_id"]], strict=True))
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    time, session, event, item = names
    assert (table.time.column, table.session, table.event.column) == ([time], [session], [event])
    assert table.item == [item]
    assert table.event.words == dict(zip(words, ("view", "addtocart", "transaction"), strict=True))


def test_a_word_that_only_ends_sessions_is_left_out(tmp_path: Path) -> None:
    """A buyer's session ends with a purchase, so such a word would reveal who does not buy."""
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


def test_an_address_of_a_page_is_nobody(tmp_path: Path) -> None:
    """The events of one page may lie closest together; still, a page is no visitor."""
    columns = without("session_id", "user_id", url=lambda event: f"/item/{event.session}")
    assert "the session or visitor" in inspect([str(write_csv(tmp_path / "pages.csv", columns))]).problem


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


def test_a_large_file_is_sampled_and_its_sessions_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = shop_events(6_000)
    by_time = write_csv(tmp_path / "time.csv", STANDARD, events)
    by_session = write_csv(
        tmp_path / "session.csv", STANDARD, sorted(events, key=lambda e: (e.session, e.time))
    )
    monkeypatch.setattr("rabbithole.inspection.sample.SAMPLE_BYTES", by_time.stat().st_size // 4)
    buyers = sum(event.kind == "purchase" for event in events)
    for path in (by_time, by_session):
        estimate = read(path)[0].estimate
        assert estimate is not None and not estimate.exact
        assert estimate.sessions == pytest.approx(6_000, rel=0.1)
        assert estimate.buyers == pytest.approx(buyers, rel=0.25)


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
    estimate = read(write_csv(tmp_path / "log.csv", STANDARD, events))[0].estimate
    assert estimate is not None
    assert datetime.fromtimestamp(estimate.first, events[0].time.tzinfo) == events[0].time


def test_sessions_that_begin_with_a_purchase_teach_nothing(tmp_path: Path) -> None:
    events = shop_events()
    buyers = sorted({event.session for event in events if event.kind == "purchase"})
    alone = set(buyers[:7])
    kept = [event for event in events if event.session not in alone or event.kind == "purchase"]
    estimate = read(write_csv(tmp_path / "log.csv", STANDARD, kept))[0].estimate
    assert estimate is not None
    assert (estimate.at_once, estimate.buyers) == (7, len(buyers) - 7)


def test_ids_of_browsers_are_visitors(tmp_path: Path) -> None:
    """Google Analytics writes them as two numbers with a point between them."""
    columns = {name: STANDARD[name] for name in ("timestamp", "event_type", "product_id")}
    columns["user_pseudo_id"] = lambda event: f"13786{event.visitor[1:]:0>5}.15463{event.visitor[1:]:0>5}"
    _, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.visitor == "user_pseudo_id" and dataset.sessions.by == "visitor"
