"""The model folder: its files, and loading it with every file checked against its digest."""

from dataclasses import dataclass
from pathlib import Path

from rabbithole.artifacts.serving import ModelManifest
from rabbithole.errors import UserError
from rabbithole.formats.base import HistoryName, log_format
from rabbithole.formats.side_tables import SideTables
from rabbithole.io.asof import AsOfTable, read_history
from rabbithole.io.atomic import sha256_of
from rabbithole.specs.table import CART, PURCHASE
from rabbithole.specs.table_columns import CategoryColumn
from rabbithole.windows.encoder import Encoder

MANIFEST = "manifest.json"
CARD = "CARD.md"
CHECKPOINT = "checkpoint"
SIDE_TABLES: dict[HistoryName, str] = {
    "category": "category_history.parquet",
    "cost": "cost_history.parquet",
}
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

    def leaves_out(self, word: str) -> bool:
        """Return whether the training log's settings leave out events with a word of the log.

        A word that the model knows is never left out: it is what another word became.
        """
        table, fitted = self.manifest.events.table, self.encoder.fitted
        tables = () if table is None else table.tables.values()
        known = (PURCHASE, CART), fitted.vocabularies.get("event", ()), fitted.rare.get("event", ())
        left_out = any(table.event.leaves_out(word) for table in tables)
        return left_out and not any(word in words for words in known)

    def category_path(self) -> CategoryColumn | None:
        """Return how the levels of a category stand in its path; None where its levels are no fields."""
        return log_format(self.manifest.events.format, self.manifest.events.table).category_path

    def histories(self) -> dict[HistoryName, Path] | None:
        """Return the files of what the shop knew about its items; None where its log has no such tables."""
        if not self.manifest.files.keys() >= set(SIDE_TABLES.values()):
            return None
        return {name: self.path / file for name, file in SIDE_TABLES.items()}

    def side_tables(self) -> SideTables | None:
        """Return what the shop knew about its items; None where its log has no such tables."""
        files = self.histories()
        if files is None:
            return None
        return SideTables(read_history(files["category"]), read_history(files["cost"]), tree=None)

    def price_file(self) -> Path | None:
        """Return the prices paid up to the end of the training log; None where costs are the events' own."""
        listed = f"{CHECKPOINT}/{PRICES}" in self.manifest.files
        return self.checkpoint / PRICES if listed else None

    def prices(self) -> AsOfTable | None:
        """Return the prices paid up to the end of the training log as a table in memory."""
        file = self.price_file()
        return None if file is None else read_history(file)


def manifest_file(path: Path) -> Path:
    """Return the manifest of a model folder. Raises `UserError` when it is no model folder."""
    if (path / MANIFEST).is_file():
        return path / MANIFEST
    if not path.exists():
        problem = f"There is no folder {path}."
    elif not path.is_dir():
        problem = f"{path} is a file, but a model is a folder."
    else:
        problem = f"{path} is no model folder: it has no {MANIFEST}."
    if (path / "model" / MANIFEST).is_file():
        raise UserError(f"{problem} Did you mean {path / 'model'}?")
    raise UserError(f"{problem} A run writes its best model to results/DATASET/model.")


def load_folder(path: Path) -> ModelFolder:
    """Read a model folder and check every file of it.

    Raises `UserError` when it is no model folder, of an unknown version, incomplete or changed.
    """
    manifest = ModelManifest.read(manifest_file(path))
    for name, digest in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise UserError(f"{path} is incomplete: {name} is missing. Copy the whole folder again.")
        if sha256_of(file) != digest:
            raise UserError(f"{file} has changed since the model was written. Copy the whole folder again.")
    return ModelFolder(path, manifest, Encoder.load(path / CHECKPOINT))
