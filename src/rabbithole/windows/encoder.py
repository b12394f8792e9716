"""The encoder: vocabularies and normalisers, fitted on train, that turn steps into codes and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.files import read_json, write_json
from rabbithole.sources.parts import by_value
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, MISSING, NUMERIC, RARE, UNSEEN
from rabbithole.windows.steps import CALENDAR, LAST_WEEK, Steps, first_steps, last_steps

NAME = "encoder.json"


@dataclass(frozen=True)
class Normaliser:
    """Mean and deviation of log1p of a number on train."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Encoder:
    """What train taught about the fields that models see; one it does not hold is missing at every step.

    `vocabularies`: each categorical field's values in the order of their codes, from FIRST_VALUE on;
    `rare`: items seen in train fewer than `minimum_item_count` times; `numeric`: normalisers by field;
    `roots`: for each category code, from FIRST_VALUE on, the root above it in the shop's category tree,
    counted from 1, 0 where the tree does not say; empty where there is no tree.
    """

    vocabularies: Mapping[str, Sequence[Any]]
    rare: Sequence[str]
    numeric: Mapping[str, Normaliser]
    length: int
    minimum_item_count: int
    timezone: str
    roots: Sequence[int] = ()
    _sets: dict[str, pa.Array] = field(default_factory=dict, compare=False, repr=False)

    @property
    def sizes(self) -> dict[str, int]:
        """Return how many codes each categorical field has, the special ones included."""
        return {name: FIRST_VALUE + len(self.vocabularies.get(name, ())) for name in CATEGORICAL}

    def last(self, sessions: pa.Table) -> pa.Table:
        """Return the windows of sessions: the nine fields of each one's last `length` steps, as lists."""
        return self._encode(last_steps(sessions, self.length, self.timezone))

    def first(self, sessions: pa.Table) -> pa.Table:
        """Return the same of each session's first `length` steps."""
        return self._encode(first_steps(sessions, self.length, self.timezone))

    def _encode(self, steps: Steps) -> pa.Table:
        offsets = pa.array(steps.offsets.astype(np.int32))
        flat: dict[str, pa.Array] = {name: self._codes(name, steps.fields[name]) for name in CATEGORICAL}
        flat |= {
            name: self._numbers(name, values)
            for name, values in zip(NUMERIC, (steps.dwell, steps.cost), strict=True)
        }
        return pa.table({name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()})

    def _codes(self, name: str, values: pa.Array) -> pa.Array:
        if name not in self.vocabularies:
            return pa.array(np.full(len(values), MISSING, np.int32))
        if name in CALENDAR:
            # Never missing, and few: a table by value is faster than a search.
            return pa.array(self._table(name)[values.to_numpy()])
        return pc.fill_null(by_value(partial(self._known, name), values), MISSING)

    def _known(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of strings, int32; null stays null."""
        places = pc.index_in(values, value_set=self._set(name))
        codes = pc.fill_null(pc.add(places, pa.scalar(FIRST_VALUE, pa.int32())), UNSEEN)
        if name == "item" and len(self.rare):
            codes = pc.if_else(
                pc.is_in(values, value_set=self._set("rare")), pa.scalar(RARE, pa.int32()), codes
            )
        return pc.if_else(values.is_valid(), codes, pa.scalar(None, pa.int32()))

    def _table(self, name: str) -> NDArray[np.int32]:
        """Return the codes of a calendar field by value, int32 [LAST_WEEK + 1]."""
        codes = np.full(LAST_WEEK + 1, UNSEEN, np.int32)
        values = np.array(self.vocabularies[name], np.int64)
        codes[values] = FIRST_VALUE + np.arange(len(values))
        return codes

    def _set(self, name: str) -> pa.Array:
        if name not in self._sets:
            values = self.rare if name == "rare" else self.vocabularies[name]
            self._sets[name] = pa.array(values, pa.string())
        return self._sets[name]

    def _numbers(self, name: str, values: NDArray[np.float64]) -> pa.Array:
        if name not in self.numeric:
            return pa.nulls(len(values), pa.float32())
        norm = self.numeric[name]
        normal = (np.log1p(values) - norm.mean) / norm.deviation
        return pa.array(normal.astype(np.float32), mask=np.isnan(values))

    def save(self, folder: Path) -> None:
        """Write encoder.json into a folder."""
        write_json(
            folder / NAME,
            {
                "vocabularies": {name: list(values) for name, values in self.vocabularies.items()},
                "rare": list(self.rare),
                "sizes": self.sizes,
                "roots": list(self.roots),
                "numeric": {
                    name: {"transform": "log1p", "mean": norm.mean, "deviation": norm.deviation}
                    for name, norm in self.numeric.items()
                },
                "length": self.length,
                "minimum_item_count": self.minimum_item_count,
                "timezone": self.timezone,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read encoder.json from a folder of windows or of a trained model."""
        told = read_json(folder / NAME)
        return cls(
            told["vocabularies"],
            told["rare"],
            {name: Normaliser(one["mean"], one["deviation"]) for name, one in told["numeric"].items()},
            told["length"],
            told["minimum_item_count"],
            told["timezone"],
            told["roots"],
        )
