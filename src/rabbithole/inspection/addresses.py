"""Join the addresses of pages that begin alike, as a shop has one for each product: `/product/*`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa

from rabbithole.inspection.columns import ADDRESS, Column

PART = re.compile(r"https?://[^/?#]+|[/?#&][^/?#&]*|.+", re.DOTALL)
"""The parts of an address: its host, each folder, its query."""

EXTENSION = re.compile(r"\.(html?|php|aspx?|jsp)$")

NO_PAGE = re.compile(r"|\*|index|onepage|[a-z]{2}([-_][A-Za-z]{2})?")
"""Folders of an address that say nothing of the page, such as the language: `/de/index.html`."""

MAX_CHILDREN = 8
"""A page with more addresses below it than this is one kind of page, such as that of a product."""

MIN_ADDRESSES = 0.9
"""Share of the values of a column that must be addresses."""


def with_patterns(column: Column) -> Column:
    """Return a column of addresses with `*` for what differs in those that begin alike, else the column."""
    if column.addresses <= MIN_ADDRESSES:
        return column
    patterns = _patterns(column.counts)
    encoded = column.values.dictionary_encode()
    words = [patterns.get(word, word) for word in encoded.dictionary.to_pylist()]
    joined = pa.array(words, pa.string()).take(encoded.indices)
    return Column(column.name, joined, column.zone)


def is_pattern(word: str) -> bool:
    """Return whether a word stands for several addresses."""
    return word.endswith("*") and re.match(ADDRESS, word) is not None


def last_folder(pattern: str) -> str:
    """Return the name of the last folder before the `*` of a pattern, empty if it has none."""
    names = re.findall(r"[^\W\d_][\w-]*", re.sub(r"^https?://[^/]*", "", pattern))
    return names[-1] if names else ""


def page_name(word: str) -> str:
    """Return the folders of an address without its host, language and query; another text as it is.

    Where no folder says anything, the values of the query do: `/index.php?route=checkout/success`.
    """
    if re.match(ADDRESS, word) is None:
        return word
    path, _, query = re.sub(r"^https?://[^/?#]*", "", word).partition("?")
    values = [pair.partition("=")[2] for pair in query.split("&")]
    for part in (path.partition("#")[0], "/".join(values)):
        folders = (EXTENSION.sub("", folder) for folder in part.split("/"))
        if named := [folder for folder in folders if not NO_PAGE.fullmatch(folder)]:
            return " ".join(named)
    return ""


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
