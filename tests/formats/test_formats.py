"""Every format is complete, is found by its name, and is cheap to import."""

import subprocess
import sys

import pyarrow as pa
import pytest

from rabbithole.config.datasets import Dataset
from rabbithole.errors import UserError
from rabbithole.formats.base import format_names, raw_format
from rabbithole.formats.side_tables import CategoryTree, category_roots
from rabbithole.ingest.reading import row_schema
from rabbithole.ingest.row_schema import RAW_EVENT_SCHEMA

IMPORT = """
import sys
from rabbithole.formats.base import format_names, raw_format
for name in format_names():
    raw_format(name)
print(sorted({"numpy", "pandas", "pyarrow"} & sys.modules.keys()))
"""


def test_formats_are_the_modules_that_define_one() -> None:
    assert format_names() == [
        "diginetica",
        "ga4",
        "otto",
        "rees46",
        "retailrocket",
        "returning",
        "snowplow",
        "table",
        "taobao",
        "yoochoose",
    ]


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=rf"'instacart': use one of {', '.join(format_names())}\."):
        raw_format("instacart")


def test_importing_all_formats_imports_no_large_library() -> None:
    """The workflow imports them while it plans a run."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("name", [name for name in format_names() if raw_format(name).tables is None])
def test_a_format_fits_together(name: str) -> None:
    format = raw_format(name)
    assert format.name == name
    assert any(role.required for role in format.roles)
    assert all(role.published and role.columns for role in format.roles)
    assert format.event_roles
    assert (format.side_tables is None) == all(role.events for role in format.roles)
    for role in format.roles:
        schema = row_schema(role)
        assert schema == RAW_EVENT_SCHEMA if role.events else "position" in schema.names
    Dataset.model_validate({"format": name, "source": "data", **format.defaults})


def test_the_root_of_a_category() -> None:
    """5 is below 4 below 1; 6 and 7 are each other's ancestors; the parent of 8 is missing."""
    parents = {"1": "", "4": "1", "5": "4", "6": "7", "7": "6", "8": "99", "9": "9"}
    tree = pa.table({"category": list(parents), "parent": list(parents.values())})
    roots = category_roots(tree)
    assert dict(zip(*roots.to_pydict().values(), strict=True)) == {"1": "1", "4": "1", "5": "1"}
    assert CategoryTree.build(tree).root_count == 1
