"""Join the addresses of pages that begin alike, as a shop has one for each product: `/product/*`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.inspection.columns import Column

ADDRESS = r"^(https?://|/)"

PART = re.compile(r"https?://[^/?#]+|[/?#&][^/?#&]*|.+", re.DOTALL)
"""The parts of an address: its host, each folder, its query."""

MAX_CHILDREN = 8
"""A page with more addresses below it than this is one kind of page, such as that of a product."""

MIN_SHARE = 0.9


def with_patterns(column: Column) -> Column:
    """Return a column of addresses with `*` for what differs in those that begin alike, else the column."""
    if not holds_addresses(column):
        return column
    patterns = _patterns(column.counts)
    encoded = column.values.dictionary_encode()
    words = [patterns.get(word, word) for word in encoded.dictionary.to_pylist()]
    joined = pa.array(words, pa.string()).take(encoded.indices)
    return Column(column.name, joined, column.zone)


def holds_addresses(column: Column) -> bool:
    """Return whether most values are addresses of pages."""
    first = column.present[:100]
    return len(first) > 0 and _share(first) > MIN_SHARE and _share(column.present) > MIN_SHARE


def is_pattern(word: str) -> bool:
    """Return whether a word stands for several addresses."""
    return word.endswith("*") and re.match(ADDRESS, word) is not None


def last_folder(pattern: str) -> str:
    """Return the name of the last folder before the `*` of a pattern, empty if it has none."""
    names = re.findall(r"[^\W\d_][\w-]*", re.sub(r"^https?://[^/]*", "", pattern))
    return names[-1] if names else ""


def _share(texts: pa.Array) -> float:
    return float(pc.mean(pc.match_substring_regex(texts, ADDRESS).cast(pa.float64())).as_py() or 0)


def _patterns(words: Iterable[str]) -> Mapping[str, str]:
    """Return the pattern of each address that is one of many below the same page."""
    parts = {word: PART.findall(word) for word in words if re.match(ADDRESS, word)}
    below: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for own in parts.values():
        for depth in range(1, len(own)):
            below[tuple(own[:depth])].add(own[depth])
    patterns = {}
    for word, own in parts.items():
        host = own[0].startswith("http")
        for depth in range(1 + host, len(own)):
            if len(below[tuple(own[:depth])]) > MAX_CHILDREN:
                # The mark between the two stays where it is always the same.
                marks = {part[0] for part in below[tuple(own[:depth])]}
                mark = marks.pop() if len(marks) == 1 else ""
                patterns[word] = "".join(own[:depth]) + mark + "*"
                break
    return patterns
