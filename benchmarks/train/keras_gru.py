"""Trains the deck's network in Keras: `python keras_gru.py WINDOWS EPOCHS BATCH SESSIONS`; prints JSON.

Every window is padded to its full length. There is one embedding for the item and one for the event, a GRU of
64, dropout, and one logit at the end. KERAS_BACKEND names the backend.
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from rabbithole.windows.arrays import Windows, read_encoding, read_split
from rabbithole.windows.fields import CATEGORICAL

FIELDS = ("event", "item")


def padded(windows: Windows, length: int) -> list[NDArray[np.int32]]:
    """Return the two fields, int32 [sessions, length] each, padded at the start as in Keras."""
    step = np.arange(len(windows.codes)) - np.repeat(windows.offsets[1:], windows.lengths) + length
    session = np.repeat(np.arange(len(windows)), windows.lengths)
    out = []
    for field in FIELDS:
        values = np.zeros((len(windows), length), np.int32)
        values[session, step] = windows.codes[:, CATEGORICAL.index(field)]
        out.append(values)
    return out


def main(folder: Path, epochs: int, batch_size: int, sessions: int) -> None:
    """Train, and print each epoch's seconds, sessions and valid AUC."""
    keras.utils.set_random_seed(0)
    encoding = read_encoding(folder)
    train, valid = (read_split(folder, split, encoding) for split in ("train", "valid"))
    inputs = [keras.Input((encoding.length,), dtype="int32") for _ in FIELDS]
    widths = (4, 32)
    embedded = [
        keras.layers.Embedding(encoding.sizes[field], width)(values)
        for field, width, values in zip(FIELDS, widths, inputs, strict=True)
    ]
    values = keras.layers.GRU(64)(keras.layers.Concatenate()(embedded))
    output = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dropout(0.2)(values))
    model = keras.Model(inputs, output)
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")
    used = min(sessions, len(train))
    x, x_valid = padded(train, encoding.length), padded(valid, encoding.length)
    results = []
    for _ in range(epochs):
        began = time.perf_counter()
        model.fit([values[:used] for values in x], train.buyer[:used], batch_size=batch_size, verbose=0)
        seconds = time.perf_counter() - began
        scores = model.predict(x_valid, batch_size=batch_size, verbose=0)[:, 0]
        auc = float(roc_auc_score(valid.buyer, scores))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        results.append({"seconds": seconds, "sessions": used, "auc": auc, "device": device})
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
