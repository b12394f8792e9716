"""Trains one of our networks with everything on: `python ours.py WHICH WINDOWS EPOCHS BATCH`; prints JSON.

WHICH: a model's name, optionally followed by " unrolled" (eight steps of a recurrence compiled as one) or
" bf16" (products in bfloat16).
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = os.environ["THREADS"]

import jax

from rabbithole.models import gru_layer
from rabbithole.specs.training import NetworkTraining
from rabbithole.training.checkpoints import ResumeCheckpoints
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.trainer import make_trainer
from rabbithole.windows.arrays import read_encoding, read_split


def main(which: str, windows: Path, epochs: int, batch_size: int) -> None:
    """Train, and print each epoch's seconds, sessions and valid AUC."""
    model, _, variant = which.partition(" ")
    if variant == "unrolled":
        gru_layer.UNROLL = 8
    if variant == "bf16":
        jax.config.update("jax_default_matmul_precision", "BF16_BF16_F32")
    encoding = read_encoding(windows)
    train, valid = (read_split(windows, split, encoding) for split in ("train", "valid"))
    trainer = make_trainer(
        model,
        {},
        NetworkTraining(
            batch_size=batch_size,
            epochs=epochs,
            epoch_sessions=len(train),
            patience=epochs,
            unseen_share=0.01,
        ),
        PurchaseObjective(train, valid, balance="none", prefixes=True),
        encoding,
        event_dropout=0.0,
        seed=0,
    )
    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    results: list[dict[str, Any]] = []

    def add_epoch(metrics: dict[str, float], speed: float) -> None:
        seconds = len(train) / speed
        results.append(
            {"seconds": seconds, "sessions": len(train), "auc": metrics["valid_auc"], "device": device}
        )

    with tempfile.TemporaryDirectory() as folder:
        trainer.run(add_epoch, ResumeCheckpoints(Path(folder) / "resume", minutes=5).keep)
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
