"""`inspect` on cells that hold more than one value: lists, arrays, and objects in a text."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories.inspected import STANDARD, read, without
from factories.shop_logs import Event, shop_events, write_csv

from rabbithole.inspection.inspect import inspect


def test_lists_in_one_cell_are_said(tmp_path: Path) -> None:
    columns = without(
        product_id=lambda event: event.item if event.kind == "view" else f"{event.item};7",
        brand=lambda event: f"{event.brand}, red",
    )
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns))
    lines = " ".join(inspection.text.replace("#", "").split())
    assert "of its values are lists such as" in lines and ";7, and each counts as one value" in lines
    assert "are lists" not in inspect([str(write_csv(tmp_path / "log.csv", STANDARD))]).text


def test_lists_of_items_in_one_cell_are_taken_apart(tmp_path: Path) -> None:
    def pair(event: Event) -> list[str]:
        return [event.item] if event.kind == "view" else [event.item, str(500 + (int(event.item) + 1) % 60)]

    def objects(event: Event) -> str:
        return json.dumps([{"sku": item, "price": event.price} for item in pair(event)])

    for separator, written in (
        ("|", lambda event: "|".join(pair(event))),
        (None, lambda event: json.dumps(pair(event))),
        (None, lambda event: str(pair(event))),
    ):
        columns = without("product_id", product_ids=written)
        inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
        assert (table.explode, table.list_separator, table.item) == (
            "product_ids",
            separator,
            ["product_ids"],
        )
        events = shop_events()
        assert inspection.tables[0].sample.rows == sum(len(pair(event)) for event in events)
    _, _, table = read(
        write_csv(tmp_path / "log.csv", without("product_id", "price", "category", items=objects))
    )
    assert (table.explode, table.item, table.cost) == ("items", ["items.sku"], ["items.price"])


def test_arrays_of_items_in_json_lines_are_taken_apart_and_those_of_times_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def write(names: list[str], lists: tuple[str, ...]) -> None:
        rows = [
            {name: [str(STANDARD[name](event))] * (2 if name in lists else 1) for name in names}
            for event in shop_events()
        ]
        plain = [{name: row[name] if name in lists else row[name][0] for name in names} for row in rows]
        path.write_text("\n".join(map(json.dumps, plain)))

    names = ["timestamp", "session_id", "event_type", "product_id"]
    write(names, ("product_id",))
    _, _, table = read(path)
    assert (table.explode, table.item) == ("product_id", ["product_id"])
    write(names, ("product_id", "timestamp"))
    inspection = inspect([str(path)])
    assert "the time" in inspection.problem and "the first of several times in a line" in inspection.text


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_json_in_a_text_is_read(tmp_path: Path, kind: str) -> None:
    """As in a dump of a queue whose messages are JSON themselves."""
    rows = [
        {
            "offset": number,
            "value": json.dumps(
                {"user": {"id": event.visitor}, "at": event.time.isoformat(), "sku": event.item}
            ),
            "event_type": event.kind,
        }
        for number, event in enumerate(shop_events())
    ]
    path = tmp_path / f"log.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    _, _, table = read(path)
    assert (table.visitor, table.time.column, table.item) == ("value.user.id", ["value.at"], ["value.sku"])


def test_objects_as_python_prints_them_are_read(tmp_path: Path) -> None:
    columns = without(
        "product_id",
        "price",
        meta=lambda event: (
            "" if event.kind == "view" else str({"product_id": event.item, "price": event.price})
        ),
    )
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.item, table.cost) == (["meta.product_id"], ["meta.price"])
