"""The model folder: its files, and loading it with every file checked against its digest."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.serving import ModelManifest
from rabbithole.errors import UserError
from rabbithole.formats.side_tables import SideTables
from rabbithole.io.asof import AsOfTable
from rabbithole.io.atomic import sha256_of
from rabbithole.windows.encoder import Encoder

MANIFEST = "manifest.json"
CARD = "CARD.md"
CHECKPOINT = "checkpoint"
SIDE_TABLES = {"category": "category_history.parquet", "cost": "cost_history.parquet"}
REFERENCE = "reference.json"
TEST_SCORES = "test_scores.parquet"
PRICES = "prices.parquet"
"""In the checkpoint, where costs come from earlier purchases."""


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was checked. side_tables: category and cost of items over time, None if none."""

    path: Path
    manifest: ModelManifest
    encoder: Encoder

    @property
    def checkpoint(self) -> Path:
        """Return the folder of weights, encoder and calibration."""
        return self.path / CHECKPOINT

    def side_tables(self) -> SideTables | None:
        """Return what the shop knew about its items; None where its log has no such tables."""
        files = {name: self.path / file for name, file in SIDE_TABLES.items()}
        if not all(file.exists() for file in files.values()):
            return None
        tables = {name: _history(file, "value") for name, file in files.items()}
        return SideTables(category=tables["category"], cost=tables["cost"], tree=None)

    def prices(self) -> AsOfTable | None:
        """Return the prices paid up to the end of the training log; None where costs are the events' own."""
        file = self.checkpoint / PRICES
        return _history(file, "price") if file.exists() else None


def load_folder(path: Path) -> ModelFolder:
    """Read a model folder and check every file of it.

    Raises `UserError` when it is no model folder, of an unknown version, incomplete or changed.
    """
    if not (path / MANIFEST).is_file():
        raise UserError(
            f"{path} is no model folder: it has no {MANIFEST}. A run writes one to results/DATASET/model."
        )
    manifest = ModelManifest.read(path / MANIFEST)
    for name, digest in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise UserError(f"{path} is incomplete: {name} is missing. Copy the whole folder again.")
        if sha256_of(file) != digest:
            raise UserError(f"{file} has changed since the model was written. Copy the whole folder again.")
    return ModelFolder(path, manifest, Encoder.load(path / CHECKPOINT))


def _history(file: Path, column: str) -> AsOfTable:
    table = pq.read_table(file)
    order = pa.array(np.arange(len(table)))
    return AsOfTable.build(
        pa.table({"item": table["item"], "time": table["time"], "order": order, "value": table[column]})
    )
