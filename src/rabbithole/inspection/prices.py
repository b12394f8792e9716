"""Say what is odd about a column of prices, though it is read."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.amounts import APOSTROPHE, CURRENCY, SPACE
from rabbithole.inspection.columns import Column
from rabbithole.inspection.roles import Choice
from rabbithole.inspection.words import Words

NEGATIVE = r"^\D{0,6}-\D{0,6}\d"


def with_notes(cost: Choice, event: Column | None, words: Words) -> Choice:
    """Return the choice of the prices with what a reader should know of them.

    event, words: the column with the kind of event, None if there is none, and what its words mean.
    """
    if cost.column is None:
        return cost
    notes = [cost.note, _negative(cost.column, event, words), _currencies(cost.column)]
    return replace(cost, note="; ".join(filter(None, notes)))


def _negative(cost: Column, event: Column | None, words: Words) -> str:
    negative = pc.fill_null(pc.match_substring_regex(cost.values, NEGATIVE), False)
    count = pc.sum(negative).as_py() or 0
    if not count:
        return ""
    share = count / len(cost.present)
    note = f"{share:.2%} of the prices are negative: these events are kept, without a price"
    if event is None:
        return note
    bought = pc.is_in(event.values, value_set=pa.array(words.purchase, pa.string()))
    buying = pc.sum(pc.and_(negative, bought)).as_py() or 0
    return note + (f", and {buying:,} of them count as purchases" if buying else "")


def _currencies(cost: Column) -> str:
    around = pc.replace_substring_regex(cost.present, rf"[-+\d.,]|{SPACE}|{APOSTROPHE}", "").unique()
    currencies = around.filter(pc.match_substring_regex(around, f"^{CURRENCY}$")).to_pylist()
    several = ", ".join(sorted({currency.upper() for currency in currencies}))
    return f"in several currencies ({several}), which are read alike" if "," in several else ""
