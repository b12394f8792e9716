"""The encoder: vocabularies and normalisers, fitted on train, that turn steps into codes and numbers."""

from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile
from rabbithole.io.parts import map_values
from rabbithole.windows.fields import FIRST_VALUE, MISSING, RARE, UNSEEN
from rabbithole.windows.steps import CALENDAR, LAST_WEEK, Steps, first_steps, last_steps, signed_log

ENCODER_FILE = "encoder.json"
"""The encoder's file in a folder of windows or of a trained model."""


class Encoder:
    """Turns steps into codes and normalised numbers, for the fields that were fitted."""

    def __init__(self, fitted: EncoderFile) -> None:
        self.fitted = fitted
        self._calendar_codes: dict[str, NDArray[np.int32]] = {}
        self._value_sets: dict[str, pa.Array] = {}
        self._rare = {name: pa.array(values, pa.string()) for name, values in fitted.rare.items() if values}
        for name, values in fitted.vocabularies.items():
            if name in CALENDAR:
                codes = np.full(LAST_WEEK + 1, UNSEEN, np.int32)
                codes[np.array(values, np.int64)] = FIRST_VALUE + np.arange(len(values))
                self._calendar_codes[name] = codes
            else:
                self._value_sets[name] = pa.array(values, pa.string())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the encoder of a folder of windows or of a trained model."""
        return cls(EncoderFile.read(folder / ENCODER_FILE))

    def save(self, folder: Path) -> None:
        """Write the encoder into a folder."""
        self.fitted.write(folder / ENCODER_FILE)

    def encode_last(self, sessions: pa.Table) -> pa.Table:
        """Return each session's last `length` steps, after its history: a list column per field."""
        fitted = self.fitted
        return self._encode(last_steps(sessions, fitted.fields, fitted.length, fitted.timezone))

    def encode_first(self, sessions: pa.Table) -> pa.Table:
        """Return each session's first `length` steps, after its history: a list column per field."""
        fitted = self.fitted
        return self._encode(first_steps(sessions, fitted.fields, fitted.length, fitted.timezone))

    def _encode(self, steps: Steps) -> pa.Table:
        columns = {name: self._codes(name, values) for name, values in steps.categorical.items()}
        columns |= {name: self._numbers(name, values) for name, values in steps.numeric.items()}
        offsets = pa.array(steps.offsets.astype(np.int32))
        return pa.table({name: pa.ListArray.from_arrays(offsets, values) for name, values in columns.items()})

    def _codes(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of a categorical field, int32 [steps]."""
        if name in CALENDAR:
            # Calendar values are few and never missing: indexing a table is faster than a search.
            return pa.array(self._calendar_codes[name][values.to_numpy()])
        return pc.fill_null(map_values(lambda strings: self._string_codes(name, strings), values), MISSING)

    def _string_codes(self, name: str, values: pa.Array) -> pa.Array:
        """Return the codes of strings, int32; null stays null."""
        indices = pc.index_in(values, value_set=self._value_sets[name])
        codes = pc.fill_null(pc.add(indices, pa.scalar(FIRST_VALUE, pa.int32())), UNSEEN)
        if name in self._rare:
            rare = pc.is_in(values, value_set=self._rare[name])
            codes = pc.if_else(rare, pa.scalar(RARE, pa.int32()), codes)
        return pc.if_else(values.is_valid(), codes, pa.scalar(None, pa.int32()))

    def _numbers(self, name: str, values: NDArray[np.float64]) -> pa.Array:
        """Return a normalised numeric field, float32 [steps]; NaN becomes null."""
        normaliser = self.fitted.numeric[name]
        normal = (signed_log(values) - normaliser.mean) / normaliser.deviation
        return pa.array(normal.astype(np.float32), mask=np.isnan(values))
