"""Leaks to plant in the files of the steps, each with the check that must name it."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EncoderFile
from rabbithole.windows.fields import FIRST_VALUE

VISITS = "visits"
"""A log of visitors who come three times, with the history of each visit."""

FURTHER = "further"
"""A log with its own sessions, visitors, and further fields."""


def data_files(folder: Path) -> list[Path]:
    """Return the parts of a folder, sorted."""
    return sorted(folder.glob("part-*.parquet"))


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
    encoder = EncoderFile.read(folder / "windows/encoder.json")
    items = [*map(str, encoder.vocabularies["item"]), "1234567"]
    sizes = encoder.sizes | {"item": encoder.sizes["item"] + 1}
    update = {"vocabularies": encoder.vocabularies | {"item": items}, "sizes": sizes}
    encoder.model_copy(update=update).write(folder / "windows/encoder.json")


def a_purchase_in_the_windows(folder: Path) -> None:
    encoder = EncoderFile.read(folder / "windows/encoder.json")
    events = ["transaction", *encoder.vocabularies["event"][1:]]
    update = {"vocabularies": encoder.vocabularies | {"event": events}}
    encoder.model_copy(update=update).write(folder / "windows/encoder.json")


def a_purchase_before_the_last_event(folder: Path) -> None:
    """Add a purchase at a session's start, as if events after a purchase were kept."""

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


def weights_of_the_next_event(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        turned = [[*values[1:], None] for values in table["weight"].to_pylist()]
        return replaced(table, "weight", pa.array(turned, table.schema.field("weight").type))

    edit(folder / "sessions", change)


def brands_of_everything(folder: Path) -> None:
    encoder = EncoderFile.read(folder / "windows/encoder.json")
    brands = [*map(str, encoder.vocabularies["brand"]), "brand of test"]
    sizes = encoder.sizes | {"brand": encoder.sizes["brand"] + 1}
    update = {"vocabularies": encoder.vocabularies | {"brand": brands}, "sizes": sizes}
    encoder.model_copy(update=update).write(folder / "windows/encoder.json")


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
        costs = [[None] * (len(values) - 1) + [0.5] for values in table["item"].to_pylist()]
        return table.append_column("cost", pa.array(costs, pa.list_(pa.float32())))

    edit(folder / "windows/valid", change)


def an_hour_that_is_left_out(folder: Path) -> None:
    edit(folder / "windows/train", lambda table: table.append_column("hour", table["event"]))


def open_flags_that_reveal_buyers(folder: Path) -> None:
    """Let the purchase, which follows the window, decide whether a session is open."""
    edit(
        folder / "sessions",
        lambda table: replaced(table, "open", pc.xor(table["open"], table["buyer"])),
    )


def an_event_of_the_session_in_its_history(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        times = [
            [*([row["start"]] * row["history"]), *row["timestamp"][row["history"] :]]
            for row in table.select(["start", "history", "timestamp"]).to_pylist()
        ]
        return replaced(table, "timestamp", pa.array(times, table.schema.field("timestamp").type))

    edit(folder / "sessions", change)


def the_past_of_another_visitor(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        names = table["visitor"].to_pylist()
        return replaced(table, "visitor", pa.array([*names[3:], *names[:3]]))

    edit(folder / "sessions", change)


def earlier_steps_as_own(folder: Path) -> None:
    edit(
        folder / "windows/test",
        lambda table: replaced(table, "history", pa.array([0] * len(table), pa.int32())),
    )


OWN_SESSIONS = "Each split has all of its own sessions, at their natural share of buyers"
PURCHASE = "Each session ends before its purchase"
AT_CART = "Each session ends at its first add-to-cart"
ENDED_BEFORE = "A visitor's earlier sessions ended before this one began"
LEFT_OUT = "No field that is left out is in a window"
LEAKS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a test session in train": ("yoochoose", a_test_session_in_train, OWN_SESSIONS),
    "a balanced test split": ("retailrocket", a_balanced_test_split, OWN_SESSIONS),
    "a session twice": ("yoochoose", a_session_twice, "Each session is in exactly one split"),
    "a visitor on both sides": ("retailrocket", a_visitor_on_both_sides, "No visitor is in two splits"),
    "a late session in train": (
        "yoochoose",
        a_late_session_in_train,
        "Train comes before valid, and valid comes before test",
    ),
    "a vocabulary of everything": (
        "yoochoose",
        a_vocabulary_of_everything,
        "The vocabularies were fitted on train alone",
    ),
    "a purchase in the windows": (
        "retailrocket",
        a_purchase_in_the_windows,
        "No purchase is in a window",
    ),
    "a purchase before the last event": (
        "yoochoose",
        a_purchase_before_the_last_event,
        PURCHASE,
    ),
    "a visitor's purchase before the last event": (
        "retailrocket",
        a_purchase_before_the_last_event,
        PURCHASE,
    ),
    "dwell to the next event": (
        "retailrocket",
        dwell_to_the_next_event,
        "Dwell time is the time since the previous event",
    ),
    "numbers normalised on everything": (
        "yoochoose",
        numbers_normalised_on_everything,
        "Numbers were normalised on train alone",
    ),
    "open flags that reveal buyers": (
        "yoochoose",
        open_flags_that_reveal_buyers,
        "Open sessions are marked from their last kept event only",
    ),
    "costs of the future": (
        "yoochoose",
        costs_of_the_future,
        "An item's cost is the one known before the session began",
    ),
    "costs of the future in a log with a history": (
        "retailrocket",
        costs_of_the_future,
        "An item's cost is the one known at the time of the event",
    ),
    "weights of the next event": (
        FURTHER,
        weights_of_the_next_event,
        "An event's weight is that of its own line",
    ),
    "brands of everything": (FURTHER, brands_of_everything, "The vocabularies were fitted on train alone"),
    "an event after the cart": ("carts", an_event_after_the_cart, AT_CART),
    "a second cart": ("carts", a_second_cart, AT_CART),
    "a short session": ("carts", a_short_session, "Each session has at least 2 events"),
    "a cost that is left out": ("carts", a_cost_that_is_left_out, LEFT_OUT),
    "an event of the session in its history": (VISITS, an_event_of_the_session_in_its_history, ENDED_BEFORE),
    "the past of another visitor": (VISITS, the_past_of_another_visitor, ENDED_BEFORE),
    "earlier steps as own": (
        VISITS,
        earlier_steps_as_own,
        "A window's history is that of its session",
    ),
    "earlier purchases as own": (
        VISITS,
        earlier_steps_as_own,
        "No purchase is in a window, but for those of earlier sessions",
    ),
    "dwell to the next event after a history": (
        VISITS,
        dwell_to_the_next_event,
        "Dwell time is the time since the previous event",
    ),
    "an hour that is left out": ("carts", an_hour_that_is_left_out, LEFT_OUT),
}
