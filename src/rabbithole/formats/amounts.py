"""Read amounts as people and shops write them: `1,234.50`, `1.234,50`, `1 234,50`, `$12.99`, `12.99 EUR`.

Every text is read by itself, in the decimal convention of its table. In a table with decimal points,
`1,234` is a thousand and more; in one with decimal commas, `1.234` is.
"""

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.formats.columns import NULL, cast_valid

Decimal = Literal[".", ","]

CODES = (
    "USD EUR GBP JPY CNY RMB INR AUD NZD CAD CHF SEK NOK DKK ISK PLN CZK HUF RON BGN RSD UAH RUB TRY BRL MXN "
    "ARS CLP COP PEN ZAR NGN KES EGP MAD AED SAR QAR KWD ILS PKR BDT LKR THB VND IDR MYR SGD PHP HKD TWD KRW "
    "KZT"
)
"""Currencies by their code. Any three letters would be too much: SKU123 is no amount."""

SPACE = r"[\s\x{00A0}\x{202F}]"
APOSTROPHE = r"['\x{2019}]"
ROUBLES = r"\x{0440}\x{0443}\x{0431}\.?"
CURRENCY = (
    rf"(?:[A-Z]{{0,2}}\p{{Sc}}|(?i:{CODES.replace(' ', '|')}|kr\.?|zł|Kč|Ft|lei|лв\.?|{ROUBLES}|元|円))"
)

EXPONENT = r"(?:[eE][+-]?\d{1,3})?"
PLAIN = {mark: rf"(?:\d+\{mark}?\d*|\{mark}\d+){EXPONENT}" for mark in (".", ",")}
"""A number with this decimal mark, or none."""

GROUPED = {
    ".": r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d*)?",
    ",": r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?",
}
"""A number whose thousands are marked by the other mark."""

SPACED = {
    mark: rf"\d{{1,3}}(?:(?:{SPACE}\d{{3}})+|(?:{APOSTROPHE}\d{{3}})+)(?:\{mark}\d*)?" for mark in (".", ",")
}
"""A number whose thousands are marked by spaces or apostrophes."""


def amount_regex(*bodies: str) -> str:
    """Return a pattern of texts that match one of the number patterns, perhaps with a sign and a currency."""
    body = "|".join(bodies)
    start = rf"[+-]?{SPACE}*(?:{CURRENCY}{SPACE}*[+-]?)?{SPACE}*"
    return rf"^{SPACE}*{start}(?:{body}){SPACE}*{CURRENCY}?{SPACE}*$"


STRICT = {mark: amount_regex(PLAIN[mark], GROUPED[mark], SPACED[mark]) for mark in (".", ",")}
"""Amounts in a decimal convention."""

AMOUNT = {
    ".": STRICT["."],
    # What can be nothing else is read in tables with decimal commas too: 12.5, but not 1.234.
    ",": amount_regex(PLAIN[","], GROUPED[","], SPACED[","], PLAIN["."]),
}
"""Amounts as a table of this decimal mark may hold them."""


def parse_amounts(texts: pa.Array, decimal: Decimal) -> pa.Array:
    """Return amounts as float64 [n], null where a text is no amount. texts: string [n]."""
    texts = pc.utf8_trim_whitespace(texts)
    plain = pc.match_substring_regex(texts, rf"^[+-]?{PLAIN[decimal]}$")
    odd = pc.fill_null(pc.invert(plain), False)
    if pc.any(odd).as_py():
        texts = pc.replace_with_mask(texts, odd, _plain_text(texts.filter(odd), decimal))
    if decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return cast_valid(pc.utf8_ltrim(texts, "+"), pa.float64())


def _plain_text(texts: pa.Array, decimal: Decimal) -> pa.Array:
    """Return amounts without currency and marks of thousands, null where a text is no amount."""
    texts = pc.if_else(pc.match_substring_regex(texts, AMOUNT[decimal]), texts, NULL)
    texts = pc.replace_substring_regex(texts, rf"{CURRENCY}|{SPACE}|{APOSTROPHE}", "")
    grouped = pc.match_substring_regex(texts, rf"^[+-]?{GROUPED[decimal]}$")
    mark = "," if decimal == "." else "."
    return pc.if_else(grouped, pc.replace_substring(texts, mark, ""), texts)
