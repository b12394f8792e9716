"""Whom to contact: the highest scores, by share, budget or worth, with a random part held out."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.evaluation.campaign import highest, worthwhile
from rabbithole.sessions.splitting import hash_shares

CONTACT, HOLD_OUT = "contact", "hold_out"


@dataclass(frozen=True)
class Audience:
    """How an audience is chosen.

    top: the share of sessions, those with the highest scores; number: their number; ratio: all sessions whose
    expected worth is above the cost of a contact (cost / worth). Exactly one is set. hold_out: the share of
    the audience that is not contacted, drawn by hash of the visitor (of the session without visitors), so
    that the effect of the contact can be measured; seed: of the draw.
    """

    top: float | None
    number: int | None
    ratio: float | None
    hold_out: float
    seed: int


def parse_audience(
    *,
    top: str | None,
    budget: float | None,
    worth: float | None,
    cost: float | None,
    default_cost: float,
    hold_out: float,
    seed: int,
) -> Audience | None:
    """Return the audience of the command line's options; None if none is given.

    top: such as "5%" or "0.05"; budget: to spend, at `cost` per contact; worth: of a sale. Raises `UserError`
    for options that contradict each other or make no sense.
    """
    if sum(value is not None for value in (top, budget, worth)) > 1:
        raise UserError("--top, --budget and --worth each choose an audience: give one of them.")
    price = default_cost if cost is None else cost
    if not 0 < price < math.inf:
        raise UserError(f"--cost {price:g}: give a number above 0, the cost of one contact.")
    share = number = ratio = None
    if top is not None:
        share = _share(top)
    elif budget is not None:
        if not 0 <= budget < math.inf:
            raise UserError(f"--budget {budget:g}: give a number, 0 or more.")
        number = int(min(budget / price, sys.maxsize))
    elif worth is not None:
        if not 0 < worth < math.inf:
            raise UserError(f"--worth {worth:g}: give a number above 0, the worth of a sale.")
        ratio = price / worth
    elif cost is not None:
        raise UserError("--cost needs --budget or --worth.")
    else:
        return None
    return Audience(top=share, number=number, ratio=ratio, hold_out=hold_out, seed=seed)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise UserError(f"--top {text}: give a share above 0 and up to 1, such as 5% or 0.05.")
    return share


def audience_column(audience: Audience, scored: Sequence[Path]) -> pa.Array:
    """Return the audience of every scored row: `contact`, `hold_out` or null, string [n].

    scored: the Parquet files of all rows. Sessions that have bought are never in the audience. Memory holds
    the scores of all sessions, and the ids of one file.
    """
    parts = [pq.read_table(path, columns=["probability", "bought"]) for path in scored]
    bought = [part["bought"].to_numpy() for part in parts]
    candidates = np.flatnonzero(~np.concatenate([*bought, np.empty(0, bool)]))
    scores = np.concatenate([*(part["probability"].to_numpy() for part in parts), np.empty(0)])[candidates]
    if audience.ratio is not None:
        chosen = worthwhile(scores, audience.ratio)
    else:
        number = audience.number if audience.top is None else round(audience.top * len(scores))
        chosen = highest(scores, number or 0)
    wanted = np.zeros(sum(map(len, bought)), bool)
    wanted[candidates[chosen]] = True
    column, start = [pa.array([], pa.string())], 0
    for path in scored:
        rows = pq.read_table(path, columns=["session_id", "visitor"])
        person = pc.coalesce(rows["visitor"], rows["session_id"]).combine_chunks()
        held = hash_shares(person, f"holdout{audience.seed % 10**9:09d}") < audience.hold_out
        left_out = ~wanted[start : start + len(rows)]
        column.append(pa.array(np.where(held, HOLD_OUT, CONTACT), pa.string(), mask=left_out))
        start += len(rows)
    return pa.concat_arrays(column)
