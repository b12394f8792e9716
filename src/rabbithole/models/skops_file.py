"""Writes estimators with skops so that equal estimators give equal bytes."""

import io
import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import skops.io

SCHEMA = "schema.json"
"""The member of a skops archive that describes all objects."""

ID = re.compile(r'(?<="__id__": )\d+')


def write_skops(estimator: Any, file: Path) -> None:
    """Write an estimator as `skops.io.dump` does, without what differs from run to run.

    skops names objects and arrays by their addresses in memory, and the archive holds the members' times.
    Here they are numbered in their order, and have no time.
    """
    with ZipFile(io.BytesIO(skops.io.dumps(estimator))) as source, ZipFile(file, "w") as target:
        schema = source.read(SCHEMA).decode()
        numbers: dict[str, str] = {}
        schema = ID.sub(lambda match: numbers.setdefault(match[0], str(len(numbers) + 1)), schema)
        for number, name in enumerate(name for name in source.namelist() if name != SCHEMA):
            new = f"{number}{Path(name).suffix}"
            schema = schema.replace(json.dumps(name), json.dumps(new))
            target.writestr(ZipInfo(new), source.read(name))
        target.writestr(ZipInfo(SCHEMA), schema)
