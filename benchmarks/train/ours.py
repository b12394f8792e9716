"""Trains one of our networks with everything on: `python ours.py WHICH WINDOWS EPOCHS BATCH`; prints JSON.

WHICH: a model's name, after it " unrolled" (eight steps of a recurrence compiled as one) or " bf16" (products
in bfloat16).
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = os.environ["THREADS"]

import jax

from rabbithole.models import char_recurrence
from rabbithole.models.registry import model_class
from rabbithole.training.checkpoints import ResumeCheckpoints
from rabbithole.training.data import read_encoding, read_split
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.trainer import Trainer, build


def main(which: str, windows: Path, epochs: int, batch_size: int) -> None:
    """Train and print seconds, sessions and AUC of each epoch."""
    model, _, how = which.partition(" ")
    if how == "unrolled":
        char_recurrence.UNROLLED = 8
    if how == "bf16":
        jax.config.update("jax_default_matmul_precision", "BF16_BF16_F32")
    encoding = read_encoding(windows)
    train, valid = (read_split(windows, split, encoding) for split in ("train", "valid"))
    width = {"gru": 64, "dilated_conv": 32}[model]
    settings = {"embedding_width": 32, "width": width, "layers": 1, "dropout": 0.1}
    settings |= {"learning_rate": 0.003, "weight_decay": 0.0001}
    trainer = Trainer(
        build(
            model_class(model),
            settings,
            sizes=encoding.sizes,
            length=encoding.length,
            roots=encoding.roots,
            outputs=PurchaseObjective.outputs,
            seed=0,
        ),
        PurchaseObjective(train, valid, balance="none", prefixes=True),
        length=encoding.length,
        settings=settings,
        training={"batch_size": batch_size, "epochs": epochs, "patience": epochs, "unseen_share": 0.01},
        event_dropout=0.0,
        seed=0,
    )
    found: list[dict[str, Any]] = []

    def note(row: dict[str, Any], speed: float) -> None:
        device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        figures = {"seconds": len(train) / speed, "sessions": len(train), "auc": row["valid_auc"]}
        found.append({**figures, "device": device})

    with tempfile.TemporaryDirectory() as folder:
        trainer.run(note, ResumeCheckpoints(Path(folder) / "resume", minutes=5).keep)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
