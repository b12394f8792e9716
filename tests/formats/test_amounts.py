"""Amounts are read as shops write them, each text by itself, in the decimal convention of its table."""

import pyarrow as pa
import pytest

from rabbithole.formats.amounts import Decimal, parse_amounts

AMOUNTS = [
    # text, with decimal points, with decimal commas
    ("12.5", 12.5, 12.5),
    ("12,5", None, 12.5),
    ("1,234", 1234.0, 1.234),
    ("1.234", 1.234, 1234.0),
    ("1,234.50", 1234.5, None),
    ("1.234,50", None, 1234.5),
    ("1 234,50", None, 1234.5),
    ("1\u202f234.5", 1234.5, None),
    ("1'234.50", 1234.5, None),
    ("12,34,567", 1234567.0, None),
    ("0.123", 0.123, 0.123),
    ("$12.99", 12.99, 12.99),
    ("-$12.99", -12.99, -12.99),
    ("1.234,50 €", None, 1234.5),
    ("US$ 1,234.50", 1234.5, None),
    ("12.99 USD", 12.99, 12.99),
    ("EUR 12,99", None, 12.99),
    ("12,99 zł", None, 12.99),
    (" +1e3 ", 1000.0, 1000.0),
    ("USD", None, None),
    ("SKU123", None, None),
    ("5 kg", None, None),
    ("1,2345.6", None, None),
    ("+-5", None, None),
    ("", None, None),
]


@pytest.mark.parametrize("others", [[], ["nonsense"]], ids=["alone", "beside another text"])
@pytest.mark.parametrize(("decimal", "place"), [(".", 1), (",", 2)])
def test_amounts(decimal: Decimal, place: int, others: list[str]) -> None:
    texts = [amount[0] for amount in AMOUNTS]
    parsed = [parse_amounts(pa.array([text, *others], pa.string()), decimal)[0].as_py() for text in texts]
    assert dict(zip(texts, parsed, strict=True)) == {amount[0]: amount[place] for amount in AMOUNTS}
