"""A separated line is taken apart by its own text alone, whatever lines are around it."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from rabbithole.ingest.csv_lines import Dialect, parse_block, split_line
from rabbithole.ingest.joined_lines import joined_lines, joined_text

NAMES = ["a", "b"]
LINE = st.lists(
    st.sampled_from([b'"', b'""', b";", b",", b"x", b" ", "é".encode(), b"\xe9", b"\r", b"\0"]), max_size=9
).map(b"".join)


def parsed(lines: list[bytes], dialect: Dialect) -> list[tuple[str, ...] | str]:
    """Return the fields of each line, or why it has none; blank lines are left out."""
    block = parse_block(b"".join(line + b"\n" for line in lines), NAMES, dialect, starts_file=False)
    fields = zip(*(block.columns[name].to_pylist() for name in NAMES), strict=True)
    verdicts: dict[int, tuple[str, ...] | str] = dict(zip(block.line.tolist(), fields, strict=True))
    assert verdicts.keys().isdisjoint(block.malformed)
    verdicts |= block.malformed
    assert len(verdicts) + block.blank == block.lines == len(lines)
    return [verdicts[number] for number in sorted(verdicts)]


@given(
    lines=st.lists(LINE, min_size=1, max_size=6),
    dialect=st.sampled_from(
        [
            Dialect(";", '"', any_bytes=False),
            Dialect(";", None, any_bytes=False),
            Dialect(",", '"', "latin-1", any_bytes=False),
        ]
    ),
)
@example(lines=[b'1;"open', b'2;"closed"', b'3;half"'], dialect=Dialect(";", '"', any_bytes=False))
def test_a_line_has_the_same_fields_alone_as_among_others(lines: list[bytes], dialect: Dialect) -> None:
    assert parsed(lines, dialect) == [verdict for line in lines for verdict in parsed([line], dialect)]


def test_quoted_fields_hold_separators_and_doubled_quotes() -> None:
    lines = [b'1;"a;b"', b'2;"a ""b"""', b'3;5" screen', b'4;"open', b"5;x;y"]
    assert parsed(lines, Dialect(";", '"')) == [
        ("1", "a;b"),
        ("2", 'a "b"'),
        ("3", '5" screen'),
        "a quote is not closed on its line",
        "3 fields instead of 2",
    ]


FIELD = st.text(st.sampled_from('ab",\n é'), max_size=6)


@given(rows=st.lists(st.lists(FIELD, min_size=2, max_size=3), max_size=8))
def test_records_with_line_breaks_are_joined_to_lines(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    lines = joined_text(written.getvalue(), Dialect(",", '"')).split("\n")[:-1]
    fields = [split_line(line, Dialect(",", '"')) for line in lines]
    assert fields == [[field.replace("\n", "\v") for field in row] for row in rows]


@given(lines=st.lists(LINE, max_size=9))
def test_joining_lines_of_any_bytes_moves_none(lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    joined = joined_lines(io.BytesIO(content), Dialect(",", '"', "latin-1")).read()
    assert joined.replace(b"\v", b"\n") == content
