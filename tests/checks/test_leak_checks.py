"""Every leak of the house, planted in turn: a check must name it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rabbithole.checks.leak_checks import check
from rabbithole.ingest.build import build_events
from rabbithole.ingest.locate import locate
from rabbithole.io.atomic import read_json, write_json
from rabbithole.io.parts import data_files
from rabbithole.sessions.build import build_sessions
from rabbithole.simulator.write import simulate
from rabbithole.spark.session import SparkOptions
from rabbithole.windows.build import build_windows
from rabbithole.windows.fields import FIRST_VALUE

SHOPS = {
    "yoochoose": {"by": "session", "cost": "purchases", "split": "time"},
    "retailrocket": {"by": "visitor", "cost": "event", "split": "hash"},
}
CARTS = "carts"
"""Retailrocket again, judged at the first cart, of two events or more, by the event and the item alone."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return a folder with events, sessions and windows of both shops."""
    folder = tmp_path_factory.mktemp("made")
    for shop, told in SHOPS.items():
        raw, place = folder / f"raw-{shop}", folder / shop
        place.mkdir()
        simulate(format=shop, sessions=3000, seed=0, output=raw)
        build_events(
            format=shop,
            files=locate(shop, str(raw)),
            output=place / "events",
            rejected=place / "rejected",
            max_rejected=0.0,
            drop_duplicates=True,
            spark=spark,
        )
        build_sessions(
            events=place / "events",
            output=place / "sessions",
            by=told["by"],
            gap_minutes=None,
            cost=told["cost"],
            split={"by": told["split"], "shares": [0.6, 0.2, 0.2]},
            open_horizon_hours=1.0,
            seed=0,
            spark=spark,
        )
        build_windows(
            sessions=place / "sessions",
            output=place / "windows",
            length=100,
            minimum_item_count=2,
            timezone="UTC",
            keep_open=False,
            spark=spark,
        )
    carts, log = folder / CARTS, folder / "retailrocket"
    shutil.copytree(log / "events", carts / "events")
    shutil.copy(log / "events.json", carts)
    build_sessions(
        events=carts / "events",
        output=carts / "sessions",
        by="visitor",
        gap_minutes=30.0,
        cost="event",
        split={"by": "hash", "shares": [0.6, 0.2, 0.2]},
        open_horizon_hours=1.0,
        seed=0,
        spark=spark,
        until="first_cart",
        minimum_events=2,
    )
    build_windows(
        sessions=carts / "sessions",
        output=carts / "windows",
        length=100,
        minimum_item_count=2,
        timezone="UTC",
        keep_open=False,
        spark=spark,
        fields=["event", "item"],
    )
    return folder


def failing(folder: Path) -> list[str]:
    """Return the names of the checks that do not hold."""
    output = folder / "checks.json"
    check(events=folder / "events", sessions=folder / "sessions", windows=folder / "windows", output=output)
    return [one["name"] for one in json.loads(output.read_text())["checks"] if not one["holds"]]


def edit(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite the first file of a folder."""
    path = data_files(folder)[0]
    pq.write_table(change(pq.read_table(path)), path)


def replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """Return a table with other values in a column."""
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def a_test_session_in_train(folder: Path) -> None:
    stolen = pq.read_table(data_files(folder / "windows/test")[0]).slice(0, 3)
    edit(folder / "windows/train", lambda table: pa.concat_tables([table, stolen]))


def a_balanced_test_split(folder: Path) -> None:
    edit(folder / "windows/test", lambda table: table.filter(pc.equal(table["buyer"], 1)))


def a_session_twice(folder: Path) -> None:
    edit(folder / "sessions", lambda table: pa.concat_tables([table, table.slice(0, 1)]))


def a_visitor_on_both_sides(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        other = "test" if table["split"][0].as_py() == "train" else "train"
        again = replaced(table.slice(0, 1), "split", pa.array([other]))
        return pa.concat_tables([table, replaced(again, "session_id", pa.array(["again"]))])

    edit(folder / "sessions", change)


def a_late_session_in_train(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        split = pc.if_else(pc.equal(table["start"], pc.max(table["start"])), "train", table["split"])
        return replaced(table, "split", split)

    edit(folder / "sessions", change)


def a_vocabulary_of_everything(folder: Path) -> None:
    told = read_json(folder / "windows/encoder.json")
    told["vocabularies"]["item"].append("1234567")
    told["sizes"]["item"] += 1
    write_json(folder / "windows/encoder.json", told)


def a_purchase_in_the_windows(folder: Path) -> None:
    told = read_json(folder / "windows/encoder.json")
    told["vocabularies"]["event"][0] = "transaction"
    write_json(folder / "windows/encoder.json", told)


def a_purchase_before_the_last_event(folder: Path) -> None:
    """As if what follows a purchase were kept."""

    def change(table: pa.Table) -> pa.Table:
        first = pq.read_table(data_files(folder / "sessions")[0], columns=["session_id", "visitor", "start"])
        long = pq.read_table(data_files(folder / "sessions")[0], columns=["events"])["events"]
        row = int(pc.index(pc.greater(long, 1), True).as_py())
        bought = replaced(table.slice(0, 1), "event", pa.array(["transaction"]))
        for name, column in (("session_id", "session_id"), ("visitor", "visitor"), ("timestamp", "start")):
            bought = replaced(
                bought, name, pa.array([first[column][row].as_py()], table.schema.field(name).type)
            )
        return pa.concat_tables([table, bought])

    edit(folder / "events", change)


def dwell_to_the_next_event(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        turned = [[*values[1:], None] for values in table["dwell"].to_pylist()]
        return replaced(table, "dwell", pa.array(turned, table.schema.field("dwell").type))

    edit(folder / "windows/test", change)


def numbers_normalised_on_everything(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        moved = [[v if v is None else v + 0.01 for v in values] for values in table["dwell"].to_pylist()]
        return replaced(table, "dwell", pa.array(moved, table.schema.field("dwell").type))

    for path in data_files(folder / "windows/train"):
        pq.write_table(change(pq.read_table(path)), path)


def costs_of_the_future(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        later = pc.add(pc.list_flatten(table["cost"]).combine_chunks(), 1.0)
        offsets = table["cost"].combine_chunks().offsets
        return replaced(table, "cost", pa.ListArray.from_arrays(offsets, later))

    edit(folder / "sessions", change)


def lengthened(table: pa.Table, name: str, last: int | str) -> pa.Table:
    """Return a table in which each list of a column has one more value at its end."""
    lists = [[*values, last] for values in table[name].to_pylist()]
    return replaced(table, name, pa.array(lists, table.schema.field(name).type))


def an_event_after_the_cart(folder: Path) -> None:
    edit(folder / "windows/test", lambda table: lengthened(table, "event", FIRST_VALUE))


def a_second_cart(folder: Path) -> None:
    edit(folder / "sessions", lambda table: lengthened(table, "event", "addtocart"))


def a_short_session(folder: Path) -> None:
    edit(folder / "sessions", lambda table: replaced(table, "events", pa.array([1] * len(table), pa.int32())))


def a_cost_that_is_left_out(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        costs = [[None] * (len(values) - 1) + [0.5] for values in table["cost"].to_pylist()]
        return replaced(table, "cost", pa.array(costs, table.schema.field("cost").type))

    edit(folder / "windows/valid", change)


def an_hour_that_is_left_out(folder: Path) -> None:
    edit(folder / "windows/train", lambda table: lengthened(table, "hour", FIRST_VALUE))


def flags_that_tell_buyers(folder: Path) -> None:
    """Whether a session is open is told by its purchase, which comes after all that its window holds."""
    edit(
        folder / "sessions",
        lambda table: replaced(table, "open", pc.xor(table["open"], table["buyer"])),
    )


OWN = "Every split holds its own sessions, all of them, at their natural balance"
AT_CART = "Every session is judged at its first cart"
NOT_SEEN = "No field that is left out is in a window"
LEAKS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a test session in train": ("yoochoose", a_test_session_in_train, OWN),
    "a balanced test split": ("retailrocket", a_balanced_test_split, OWN),
    "a session twice": ("yoochoose", a_session_twice, "Each session stands in one split, once"),
    "a visitor on both sides": ("retailrocket", a_visitor_on_both_sides, "No visitor stands in two splits"),
    "a late session in train": (
        "yoochoose",
        a_late_session_in_train,
        "Train comes before valid, and valid before test",
    ),
    "a vocabulary of everything": (
        "yoochoose",
        a_vocabulary_of_everything,
        "The vocabulary was fitted on train alone",
    ),
    "a purchase in the windows": (
        "retailrocket",
        a_purchase_in_the_windows,
        "No purchase is in a window",
    ),
    "a purchase before the last event": (
        "yoochoose",
        a_purchase_before_the_last_event,
        "Every session ends before its purchase",
    ),
    "a visitor's purchase before his last event": (
        "retailrocket",
        a_purchase_before_the_last_event,
        "Every session ends before its purchase",
    ),
    "dwell to the next event": (
        "retailrocket",
        dwell_to_the_next_event,
        "A dwell time is the one since the event before",
    ),
    "numbers normalised on everything": (
        "yoochoose",
        numbers_normalised_on_everything,
        "Numbers were normalised on train alone",
    ),
    "flags that tell buyers": (
        "yoochoose",
        flags_that_tell_buyers,
        "Whether a session is still open is told by its last kept event alone",
    ),
    "costs of the future": (
        "yoochoose",
        costs_of_the_future,
        "An item's cost is the one known before the session began",
    ),
    "an event after the cart": (CARTS, an_event_after_the_cart, AT_CART),
    "a second cart": (CARTS, a_second_cart, AT_CART),
    "a short session": (CARTS, a_short_session, "No session has fewer than 2 events"),
    "a cost that is left out": (CARTS, a_cost_that_is_left_out, NOT_SEEN),
    "an hour that is left out": (CARTS, an_hour_that_is_left_out, NOT_SEEN),
}


@pytest.mark.parametrize("shop", [*SHOPS, CARTS])
def test_what_was_made_as_it_should_be_passes(shop: str, made: Path) -> None:
    assert failing(made / shop) == []


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_named(leak: str, made: Path, tmp_path: Path) -> None:
    shop, plant, name = LEAKS[leak]
    shutil.copytree(made / shop, tmp_path / "made")
    plant(tmp_path / "made")
    assert name in failing(tmp_path / "made")
