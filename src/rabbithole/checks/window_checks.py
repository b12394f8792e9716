"""Leak checks of the encoder: was it fitted on train alone, and does it hide what it should?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EncoderFile, LeakCheck
from rabbithole.io.parts import data_files
from rabbithole.windows.fields import CATEGORICAL, FIELDS, FIRST_VALUE, MISSING, NUMERIC

TOLERANCE = 1e-3
"""How far the mean and the standard deviation of train's normalised numbers may be from 0 and 1."""


def vocabularies(windows: Path, encoder: EncoderFile) -> LeakCheck:
    """Check that every value of the vocabularies occurs in train."""
    absent = []
    for field in CATEGORICAL:
        column = pq.read_table(windows / "train", columns=[field])[field]
        codes = pc.list_flatten(column).combine_chunks().to_numpy()
        occurs = np.bincount(codes, minlength=encoder.sizes[field])[FIRST_VALUE:] > 0
        if not occurs.all():
            absent.append(f"{int(np.sum(~occurs)):,} of {field}")
    return LeakCheck(
        name="The vocabularies were fitted on train alone",
        holds=not absent,
        detail=f"values that train lacks: {', '.join(absent) or 'none'}",
    )


def event_vocabulary(encoder: EncoderFile) -> LeakCheck:
    """Check that no purchase is encoded. Without a vocabulary the models do not see event types."""
    purchase = "transaction" in encoder.vocabularies.get("event", [])
    return LeakCheck(
        name="No purchase is in a window",
        holds=not purchase,
        detail="the vocabulary has one" if purchase else "the vocabulary has none",
    )


def normalisation(windows: Path) -> LeakCheck:
    """Check that train's numbers have mean 0 and deviation 1, as they do if they alone were normalised on."""
    holds, details = True, []
    for field in NUMERIC:
        column = pq.read_table(windows / "train", columns=[field])[field]
        values = pc.drop_null(pc.list_flatten(column)).to_numpy()
        if len(values):
            mean, deviation = float(values.mean(dtype=float)), float(values.std(dtype=float))
            # A field whose values are all equal has deviation 0.
            holds &= abs(mean) <= TOLERANCE
            holds &= deviation <= TOLERANCE or abs(deviation - 1) <= TOLERANCE
            details.append(f"{field}: mean {round(mean, 3) + 0.0:.3f}, standard deviation {deviation:.3f}")
    return LeakCheck(
        name="Numbers were normalised on train alone",
        holds=holds,
        detail="; ".join(details) or "there are none",
    )


def left_out_fields(windows: Path, fields: list[str]) -> Iterator[LeakCheck]:
    """Check that fields outside `fields` are missing in all windows."""
    left_out, present = [field for field in FIELDS if field not in fields], []
    for field in left_out:
        for folder in sorted(path for path in windows.iterdir() if data_files(path)):
            values = pc.list_flatten(pq.read_table(folder, columns=[field])[field])
            missing = pc.equal(values, MISSING) if field in CATEGORICAL else pc.is_null(values)
            if not pc.all(missing).as_py():
                present.append(f"{field} in {folder.name}")
    if left_out:
        yield LeakCheck(
            name="No field that is left out is in a window",
            holds=not present,
            detail=", ".join(present) or f"missing in every window: {', '.join(left_out)}",
        )
