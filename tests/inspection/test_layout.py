"""How a log may be laid out: kinds of files, encodings, headers, and several tables."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from factories.inspected import STANDARD, read, roles
from factories.shop_logs import shop_events, write_csv

from rabbithole.errors import UserError
from rabbithole.ingest.locate import locate
from rabbithole.inspection.inspect import inspect, load


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


def test_the_euro_sign_of_windows_is_one(tmp_path: Path) -> None:
    columns = STANDARD | {"price": lambda event: f"{event.price:.2f} €".replace(".", ",")}
    path = write_csv(tmp_path / "log.csv", columns, separator=";", encoding="windows-1252")
    inspection, _, table = read(path)
    assert (table.encoding, table.cost, table.decimal) == ("windows-1252", ["price"], ",")
    assert "check: it is not UTF-8; is " in inspection.text and " € right?" in inspection.text


@pytest.mark.parametrize(
    ("written", "decimal"),
    [("${:,.2f}", "."), ("{:,.2f} USD", "."), ("{:.2f} €", ","), ("{:,.2f}", ","), ("{:,.2f} zł", " ")],
)
def test_prices_as_shops_write_them(tmp_path: Path, written: str, decimal: str) -> None:
    """A decimal mark that is a space stands for `1 234,50`."""
    marks = {".": ",.", ",": ".,", " ": " ,"}[decimal]
    price = {**STANDARD, "price": lambda event: _marked(written.format(40 * event.price), marks)}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", price, separator=";"))
    assert (table.cost, table.decimal) == (["price"], "." if decimal == "." else ",")
    assert "currencies" not in inspection.text
    mixed = {**STANDARD, "price": lambda event: f"{event.price} {'EUR' if event.price > 20 else 'USD'}"}
    assert "several currencies (EUR, USD)" in read(write_csv(tmp_path / "mixed.csv", mixed))[0].text


def _marked(number: str, marks: str) -> str:
    """Return a number with other marks of thousands and decimals."""
    return number.translate(str.maketrans(",.", marks))


def test_a_column_with_another_decimal_mark_is_left_out(tmp_path: Path) -> None:
    """The mark holds for a whole table: its points would be read as thousands."""
    columns = {
        **STANDARD,
        "price": lambda event: f"{event.price:.2f}".replace(".", ","),
        "weight": lambda event: f"{int(event.session[1:]) % 97 / 7:.3f}",
        "score": lambda event: f"{int(event.session[1:]) % 97 / 70:.4f}",
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns, separator=";"))
    assert table.decimal == "," and set(table.fields) == {"brand", "score"}
    assert "weight: its numbers have decimal points" in inspection.text


def test_a_log_without_header_is_recognised_by_its_values(tmp_path: Path) -> None:
    columns = {
        name: STANDARD[name] for name in ("session_id", "timestamp", "product_id", "event_type", "category")
    }
    inspection, _, table = read(write_csv(tmp_path / "log.txt", columns, header=False))
    assert table.header is False
    assert (table.time.column, table.session, table.event.column) == (["2"], ["1"], ["4"])
    assert "check: recognised by its values" in inspection.text


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


def test_cells_may_hold_json(tmp_path: Path) -> None:
    columns = {
        "event": STANDARD["event_type"],
        "properties": lambda event: json.dumps(
            {"distinct_id": event.visitor, "session": {"id": event.session}, "sku": event.item}
        ),
        "timestamp": STANDARD["timestamp"],
    }
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.session, table.item) == (["properties.session.id"], ["properties.sku"])
    assert table.visitor == "properties.distinct_id"


def test_the_last_part_of_a_path_may_need_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [
        json.dumps(
            {
                "id": number,
                "at": {"$date": event.time.isoformat()},
                "type": event.kind,
                "user": {"id": event.visitor},
                "session": {"id": event.session},
                "device": {"type": event.device},
                "product": {"id": event.item, "price": {"value": event.price}},
            }
        )
        for number, event in enumerate(shop_events())
    ]
    path.write_text("\n".join(lines))
    _, _, table = read(path)
    assert roles(table) == {
        "time": ["at.$date"],
        "session": ["session.id"],
        "visitor": "user.id",
        "event": ["type"],
        "item": ["product.id"],
        "cost": ["product.price.value"],
    }
    assert table.fields["device_type"].column == ["device.type"]


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


@pytest.mark.parametrize("pack", ["gz", "zip"])
def test_small_packed_parts_are_read_whole(tmp_path: Path, pack: str) -> None:
    whole = write_csv(tmp_path / "whole.csv", STANDARD).read_text().splitlines(keepends=True)
    parts = ["".join([whole[0], *whole[1 + part :: 5]]).encode() for part in range(5)]
    folder = tmp_path / "parts"
    folder.mkdir()
    if pack == "gz":
        for number, part in enumerate(parts):
            (folder / f"{number}.csv.gz").write_bytes(gzip.compress(part))
    else:
        with zipfile.ZipFile(folder / "parts.zip", "w") as archive:
            for number, part in enumerate(parts):
                archive.writestr(f"{number}.csv", part)
    inspection, _, _ = read(folder)
    assert inspection.tables[0].sample.whole
    assert inspection.tables[0].sample.rows == len(whole) - 1


def test_an_encoding_may_be_declared(tmp_path: Path) -> None:
    words = {"view": "浏览", "cart": "加购", "purchase": "购买"}
    columns = STANDARD | {"event_type": lambda event: words[event.kind]}
    path = write_csv(tmp_path / "log.csv", columns, encoding="gb18030")
    inspection = inspect([str(path)], "gb18030")
    assert not inspection.problem
    assert "encoding: gb18030  # check: it is not UTF-8; is 浏览 right?" in inspection.text
    with pytest.raises(UserError, match="'gb19' is no encoding"):
        inspect([str(path)], "gb19")


@pytest.mark.parametrize("separator", [" ", "\x01", "^"])
def test_rare_separators_are_found(tmp_path: Path, separator: str) -> None:
    columns = STANDARD | {"timestamp": lambda event: int(event.time.timestamp())}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns, separator=separator))
    assert table.separator == separator
    assert inspection.tables[0].sample.rows == len(shop_events())


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"ARROW1\0\0", "an Arrow file .* Write it as Parquet"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b'{\n "a": 1\n}\n{\n "a": 2\n}\n', "one object a line"),
        (b"1::1193::5::978300760\n" * 30, "parted by '::'"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(UserError, match=error):
        inspect([str(path)])


@pytest.mark.parametrize("before", ["sep=;\n", "# Export\n# of all events\n\n"])
def test_lines_before_the_header_are_skipped(tmp_path: Path, before: str) -> None:
    path = write_csv(tmp_path / "log.csv", STANDARD, separator=";")
    path.write_text(before + path.read_text())
    inspection, _, table = read(path)
    assert table.skip_lines == before.count("\n")
    assert inspection.tables[0].sample.rows == len(shop_events())


def test_columns_in_the_names_of_folders_are_fields(tmp_path: Path) -> None:
    events = shop_events()
    columns = {name: STANDARD[name] for name in ("timestamp", "session_id", "event_type", "product_id")}
    for device in ("phone", "tablet", "desktop"):
        chosen = [event for event in events if event.device == device]
        write_csv(tmp_path / "log" / f"device={device}" / "part-0.csv", columns, chosen)
    inspection, _, table = read(tmp_path / "log")
    assert table.fields["device"].column == ["device"]
    assert inspection.estimate is not None and inspection.estimate.events == len(events)


def test_codes_for_events_are_asked_for(tmp_path: Path) -> None:
    codes = {"view": 1, "cart": 3, "purchase": 4}
    columns = STANDARD | {"event_type": lambda event: codes[event.kind]}
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert inspection.problem == "the word for a purchase"
    assert "perhaps 4, 3, 1" in inspection.text


def test_words_for_events_that_no_list_knows_are_offered(tmp_path: Path) -> None:
    words = {"view": "glorp", "cart": "blap", "purchase": "zonk"}
    columns = STANDARD | {"doing": lambda event: words[event.kind]}
    del columns["event_type"]
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert "# event: {column: doing, words: {WORD: transaction}}" in inspection.text


def test_files_that_are_no_tables_are_left_out(tmp_path: Path) -> None:
    """Notes, pictures and checksums beside the log: only the log is read, however it is named."""
    log = write_csv(tmp_path / "events.csv", STANDARD)
    (tmp_path / "README.txt").write_text("The log of our shop.\n")
    (tmp_path / "README.md").write_text("# Notes\n\nExported on Monday; see the wiki, page 7.\n")
    (tmp_path / "schema.json").write_text('[\n  {"name": "price"}\n]\n')
    (tmp_path / "events.csv.md5").write_text("d41d8cd98f00b204e9800998ecf8427e  events.csv\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))
    inspection, dataset, _ = read(tmp_path)
    assert locate(dataset.format, dataset.source, dataset.table_log) == {"events": [log]}
    assert "left out: logo.png: this is no text with columns" in inspection.text
    for name in ("README.txt", "README.md", "schema.json", "events.csv.md5", "logo.png"):
        assert f"left out: {name}: " in inspection.text
    _, dataset, _ = read(*sorted(tmp_path.iterdir()))
    assert locate(dataset.format, dataset.source, dataset.table_log) == {"events": [log]}
    log.unlink()
    with pytest.raises(UserError, match=r"logo.png: this is no text(.|\n)*README.txt"):
        inspect([str(tmp_path)])


def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    log = write_csv(tmp_path / "log.csv", STANDARD)
    lines = log.read_bytes().split(b"\n")
    log.write_bytes(b"\n".join([*lines[:6], b"\0" + lines[6], *lines[7:]]))
    with pytest.raises(UserError, match="line 7 has a NUL byte"):
        inspect([str(log)])


def test_an_access_log_is_refused_with_what_to_do(tmp_path: Path) -> None:
    line = '10.0.0.1 - - [01/Mar/2025:00:11:33 +0000] "GET /product/5 HTTP/1.1" 200 1005 "-" "Mozilla/5.0"\n'
    (tmp_path / "access.log").write_text(line * 50)
    with pytest.raises(UserError, match="this is a web server's access log"):
        inspect([str(tmp_path / "access.log")])
