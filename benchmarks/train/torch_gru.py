"""Trains our GRU in PyTorch: `python torch_gru.py VARIANT WINDOWS EPOCHS BATCH SESSIONS`; prints JSON.

VARIANT: padded (every window to its full length, as in the deck), packed (packed sequences), bucketed
(batches of similar length), sparse (bucketed, with the item's gradients by row). Network, losses and learning
rate are ours, but the rate is constant. The windows are read before the clock starts. Each epoch trains on
SESSIONS sessions of train.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rabbithole.models.layers import KNOTS, ONE_HOT_SIZE
from rabbithole.training.batching import Batch, Shape, batch_shapes, make_batch, make_rng, plan_batches
from rabbithole.training.train_step import TABLE_RATE
from rabbithole.windows.arrays import Windows, read_encoding, read_split
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, NUMERIC, PADDING

ITEM = CATEGORICAL.index("item")
EMBEDDING, WIDTH, RATE = 32, 64, 0.003
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Gru(nn.Module):
    """The nine fields, a GRU of 64, a hidden layer, two logits per step."""

    def __init__(self, sizes: list[int], *, sparse: bool, prior: float) -> None:
        super().__init__()
        half = EMBEDDING // 2
        widths = [
            EMBEDDING if index == ITEM else min(half, round(size**0.5) + 1)
            for index, size in enumerate(sizes)
        ]
        self.tables = nn.ModuleList(
            nn.Embedding(size, width, sparse=sparse and index == ITEM)
            for index, (size, width) in enumerate(zip(sizes, widths, strict=True))
        )
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.1 if table.num_embeddings <= ONE_HOT_SIZE else 0.01)
        self.knots: Tensor
        self.register_buffer("knots", torch.tensor(KNOTS))
        features = sum(widths) + (2 + len(KNOTS)) * len(NUMERIC) + 1
        self.doubt = nn.Parameter(torch.zeros(features))
        self.gru = nn.GRU(features, WIDTH, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.hidden, self.logits = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)
        nn.init.normal_(self.logits.weight, std=0.02)
        nn.init.constant_(self.logits.bias, prior)

    def embed(self, codes: Tensor, numbers: Tensor, before: Tensor) -> Tensor:
        """Return the steps' vectors, [.., features]; before: the item of the step before, [..]."""
        known = torch.isfinite(numbers)
        values = torch.where(known, numbers, 0.0)
        far = (values[..., None] - self.knots).abs() / (KNOTS[1] - KNOTS[0])
        hats = ((1 - far).clamp(min=0) * known[..., None]).flatten(-2)
        item = codes[..., ITEM]
        parts = [table(codes[..., index]) for index, table in enumerate(self.tables)]
        parts += [values, hats, (~known).float(), (item == before).float()[..., None]]
        scale = 1 + (item < FIRST_VALUE).float()[..., None] * self.doubt
        return self.dropout(torch.cat(parts, -1) * scale)

    def head(self, values: Tensor) -> Tensor:
        """Return two logits for each step."""
        return self.logits(functional.gelu(self.hidden(self.dropout(values)), approximate="tanh"))

    def forward(self, codes: Tensor, numbers: Tensor, lengths: Tensor, *, packed: bool) -> Tensor:
        """Return logits [batch, steps, 2]."""
        before = functional.pad(codes[..., ITEM], (1, 0), value=-1)[:, :-1]
        if not packed:
            return self.head(self.gru(self.embed(codes, numbers, before))[0])
        # Packed before anything is computed, so that a step of padding costs only its copy.
        packed_inputs = [
            pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
            for values in (codes, numbers, before)
        ]
        values = packed_inputs[0]._replace(data=self.embed(*(each.data for each in packed_inputs)))
        logits = packed_inputs[0]._replace(data=self.head(self.gru(values)[0].data))
        return pad_packed_sequence(logits, batch_first=True, total_length=codes.shape[1])[0]


class Data:
    """Windows on the device, which gathers the batches, as ours does on a GPU."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.codes, self.numbers = (
            torch.from_numpy(array).to(DEVICE) for array in (windows.codes, windows.numbers)
        )

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes, numbers and lengths; an empty place is taken as a session of one step."""
        lengths = torch.from_numpy(np.maximum(batch.lengths, 1)).long().to(DEVICE)
        steps = torch.from_numpy(batch.steps).to(DEVICE)
        padding = (steps < 0)[..., None]
        steps = steps.clamp(min=0)
        return (
            self.codes[steps].masked_fill(padding, PADDING),
            self.numbers[steps].masked_fill(padding, 0),
            lengths,
        )


def loss_of(logits: Tensor, buyer: Tensor, lengths: Tensor, present: Tensor, size: int) -> Tensor:
    """Return our loss: half for ended sessions, half for prefixes, of which the k-th weighs 1/k."""
    cross = functional.binary_cross_entropy_with_logits
    ended = logits[torch.arange(len(logits), device=DEVICE), lengths - 1, 1]
    number = torch.arange(1, logits.shape[1] + 1, device=DEVICE)
    share = torch.where(number <= lengths[:, None], 1 / number, 0.0)
    labels = buyer[:, None].expand(-1, logits.shape[1])
    each = (share * cross(logits[..., 0], labels, reduction="none")).sum(1)
    return (present * (cross(ended, buyer, reduction="none") + each)).sum() / (2 * size)


def auc(model: Gru, data: Data, shapes: list[Shape], *, packed: bool) -> float:
    """Return the AUC on valid."""
    valid = data.windows
    scores: NDArray[np.float64] = np.empty(len(valid))
    model.eval()
    with torch.no_grad():
        for shape, rows in plan_batches(valid.lengths, np.arange(len(valid)), shapes):
            codes, numbers, lengths = data(make_batch(valid, rows, shape))
            logits = model(codes, numbers, lengths, packed=packed)
            ended = logits[torch.arange(len(logits), device=DEVICE), lengths - 1, 1]
            scores[rows] = ended[: len(rows)].double().cpu().numpy()
    model.train()
    return float(roc_auc_score(valid.buyer, scores))


def main(variant: str, windows: Path, epochs: int, batch_size: int, sessions: int) -> None:
    """Train, and print each epoch's seconds, sessions and valid AUC."""
    torch.set_num_threads(int(os.environ["THREADS"]))
    torch.set_float32_matmul_precision("high")  # as JAX does on a GPU
    torch.manual_seed(0)
    encoding = read_encoding(windows)
    train, valid = (read_split(windows, split, encoding) for split in ("train", "valid"))
    bucketed = variant in ("bucketed", "sparse")
    shapes = (
        batch_shapes(length=encoding.length, batch_size=batch_size)
        if bucketed
        else [Shape(batch_size, encoding.length)]
    )
    share = train.buyer.mean()
    sizes = [encoding.sizes[field] for field in CATEGORICAL]
    model = Gru(sizes, sparse=variant == "sparse", prior=float(np.log(share / (1 - share)))).to(DEVICE)
    # Large tables are trained by plain gradient descent, as in ours.
    large = [table.weight for table in model.tables if table.num_embeddings > ONE_HOT_SIZE]
    small = [weight for weight in model.parameters() if not any(weight is table for table in large)]
    optimisers = [torch.optim.AdamW(small, RATE, weight_decay=1e-4, fused=True)]
    if large:
        optimisers.append(torch.optim.SGD(large, RATE * TABLE_RATE * batch_size))
    data, valid_data = Data(train), Data(valid)
    results = []
    used = np.arange(min(sessions, len(train)))
    for epoch in range(epochs):
        began = time.perf_counter()
        for shape, rows in plan_batches(train.lengths, used, shapes, make_rng(0, epoch)):
            batch = make_batch(train, rows, shape)
            codes, numbers, lengths = data(batch)
            present = torch.from_numpy(batch.rows >= 0).float().to(DEVICE)
            buyer = torch.from_numpy(train.buyer[batch.rows].astype(np.float32)).to(DEVICE)
            logits = model(codes, numbers, lengths, packed=variant == "packed")
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
            loss_of(logits, buyer, lengths, present, batch_size).backward()
            for optimiser in optimisers:
                optimiser.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        valid_auc = auc(model, valid_data, shapes, packed=variant == "packed")
        results.append({"seconds": seconds, "sessions": len(used), "auc": valid_auc, "device": DEVICE})
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
