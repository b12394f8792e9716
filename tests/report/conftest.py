"""A small finished run, made by the real evaluation from invented scores."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit

from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.explain import journeys
from rabbithole.evaluation.importance import field_importance, step_importance
from rabbithole.io.atomic import write_json
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE

SCRIPT = "<script>alert('rejected')</script>"
CAMPAIGN = {"contact_cost": 1.0, "sale_worth": 20.0}
SAMPLE = "<b>ot,</b> said the cat & grinned"


def write_scores(path, *, seed, noise, sessions, base):
    truth = np.random.default_rng(5)
    x = truth.normal(base, 1.3, sessions)
    buyer = truth.random(sessions) < expit(x)
    draw = np.random.default_rng(seed)
    parts = []
    for split, steps in [("test", 0), ("test", 1), ("test", 3), ("valid", 0)]:
        score = expit(x + noise * draw.normal(size=sessions))
        parts.append(
            pa.table(
                {
                    "session_id": [f"{i:05}" for i in range(sessions)],
                    "split": [split] * sessions,
                    "steps": pa.array([steps] * sessions, pa.int32()),
                    "buyer": pa.array(buyer.astype(np.int8)),
                    "score": score,
                }
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(parts), path)
    return buyer


def write_dataset(folder, *, runs, sessions, base):
    """Write all that the page reads of a data set but figures; return what it is given."""
    scores = {}
    for name, noise in runs.items():
        scores[name] = folder / name.replace(" ", "-") / "scores.parquet"
        buyer = write_scores(scores[name], seed=len(name), noise=noise, sessions=sessions, base=base)
        evaluate(**CAMPAIGN, scores=scores[name], output=scores[name].with_name("metrics.json"))
    compare_models(scores=scores, output=folder / "comparison.json")
    histories = {}
    for name in runs:
        if name != "oracle":
            histories[name] = scores[name].with_name("history.json")
            rows = [
                {"epoch": epoch, "loss": 1 / epoch, "valid_loss": 1.1 / epoch, "valid_auc": 0.8 - 0.1 / epoch}
                for epoch in (1, 2, 3)
            ]
            write_json(
                histories[name], {"unit": "epoch", "epochs": rows, "best_epoch": 3, "seconds": [2.0] * 3}
            )
    explanations = {}
    for number, name in enumerate(name for name in runs if name.endswith("seed 0")):
        explanations[name] = scores[name].with_name("explanation.json")
        write_explanation(explanations[name], buyer, valid_auc=0.8 - number / 10)
    (folder / "sessions").mkdir()
    lengths = np.random.default_rng(0).geometric(0.2, sessions)
    pq.write_table(
        pa.table({"events": pa.array(lengths, pa.int32()), "buyer": buyer}), folder / "sessions" / "a.parquet"
    )
    for stage, facts in manifests().items():
        write_json(folder / f"{stage}.json", facts)
    checks = [{"name": "One holds", "holds": True, "found": "none"}]
    checks += [{"name": "Another fails", "holds": False, "found": SCRIPT}] if "oracle" not in runs else []
    write_json(folder / "checks.json", {"checks": checks})
    return {
        "simulated": "oracle" in runs,
        **{stage: folder / f"{stage}.json" for stage in ("events", "sessions", "windows")},
        "metrics": {name: path.with_name("metrics.json") for name, path in scores.items()},
        "histories": histories,
        "explanations": explanations,
        "comparison": folder / "comparison.json",
        "checks": folder / "checks.json",
        "figures": {},
    }


def write_explanation(path, buyer, *, valid_auc):
    """Explain a formula that reads events alone, on sessions in which buyers more often put into the cart."""
    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 12, len(buyer))
    offsets = np.append(0, np.cumsum(lengths))
    codes = draw.integers(FIRST_VALUE, 9, (offsets[-1], len(CATEGORICAL))).astype(np.int32)
    cart = draw.random(offsets[-1]) < np.where(np.repeat(buyer, lengths), 0.4, 0.1)
    codes[:, CATEGORICAL.index("event")] = FIRST_VALUE + cart
    ids = pa.array([f"{i:05}" for i in range(len(buyer))])
    numbers = draw.normal(size=(offsets[-1], 2)).astype(np.float32)
    sessions = Windows(ids, buyer.astype(np.int8), lengths.astype(np.int32), offsets, codes, numbers)

    def logits(some, steps):
        carts = np.append(0, np.cumsum(some.codes[:, CATEGORICAL.index("event")] > FIRST_VALUE))
        seen = [np.where(some.lengths >= k, k or some.lengths, 0) for k in steps]
        odds = [carts[some.offsets[:-1] + count] - carts[some.offsets[:-1]] - 3.0 for count in seen]
        return np.where(np.array(seen) > 0, odds, np.nan)

    def ended(some):
        return logits(some, [0])[0]

    explanation = {
        "valid_auc": valid_auc,
        "test_sessions": len(buyer),
        "sessions": len(buyer),
        "buyers": int(buyer.sum()),
        "fields": field_importance(ended, sessions, draw),
        "steps": step_importance(ended, sessions, draw),
        "journeys": journeys(logits, sessions, ["view", "addtocart"]),
    }
    write_json(path, explanation)


def manifests():
    """The three manifests with the facts that the data card shows."""
    bad = {"file": "events.csv", "line": 12, "reason": "time is not a time", "text": SCRIPT}
    events = {
        "format": "retailrocket",
        "rows": 5120,
        "sessions": 1511,
        "visitors": 1511,
        "items": 211,
        "events": {"addtocart": 60, "transaction": 43, "view": 5017},
        "first": "2015-05-03T03:00:04.384+00:00",
        "last": "2015-09-18T02:59:47.788+00:00",
        "lines": {"lines": 5131, "header": 1, "blank": 0, "rejected": 3, "duplicates": 7, "kept": 5120},
        "files_read": [
            {
                "file": "events.csv",
                "role": "events",
                "lines": 5131,
                "header": 1,
                "blank": 0,
                "rows": 5127,
                "rejected": 3,
            }
        ],
        "files_missing": ["item_properties"],
        "rejected": 3,
        "rejected_reasons": {"time is not a time": 3},
        "rejected_examples": [bad],
        "category_tree": {"categories": 53, "roots": 5},
        "share_with_category": 0.91,
        "share_with_cost": 0.0,
        "files": {"part-00000.parquet": "0" * 64},
    }
    sessions = {
        "rows": 1511,
        "sessions": 1511,
        "buyers": 41,
        "open": 12,
        "dropped": 3,
        "splits": {
            "test": {"sessions": 151, "buyers": 4, "open": 12},
            "train": {"sessions": 1209, "buyers": 33, "open": 0},
            "valid": {"sessions": 151, "buyers": 4, "open": 0},
        },
        "split_by": "time",
        "shares": [0.8, 0.1, 0.1],
        "events": {"in": 5120, "kept": 5011, "cut": 103, "dropped": 6},
        "lengths": {
            "mean": 3.32,
            "median": 2,
            "longest": 211,
            "quantiles": {"0.5": 2, "0.9": 7, "0.99": 31},
            "histogram": [{"from": 1, "to": 1, "sessions": 604}, {"from": 2, "to": None, "sessions": 907}],
        },
        "boundaries": [
            {"begins": "valid", "time": "2015-08-20T03:11:04.384+00:00", "visitors_on_both_sides": 0},
            {"begins": "test", "time": "2015-09-03T13:00:00.000+00:00", "visitors_on_both_sides": 17},
        ],
        "by": "visitor",
        "gap_minutes": 30.0,
        "until": "purchase",
        "minimum_events": 1,
        "sample": 1.0,
        "left_out": {},
        "cost": "event",
        "prices": None,
        "files": {},
    }
    none = dict.fromkeys(("event", "item", "category", "hour", "weekday", "month", "week"), 0)
    split = {"buyers": 4, "cut_short": 1, "missing": none, "rows": 150, "steps": 500, "unseen": none}
    windows = {
        "rows": 450,
        "splits": dict.fromkeys(("train", "valid", "test"), split),
        "open": 12,
        "events": {"in": 5011, "kept": 1500, "open": 120, "beyond": 3391},
        "keep_open": False,
        "fields": [*none, "dwell", "cost"],
        "sizes": dict.fromkeys(none, 9),
        "rare_items": 7,
        "length": 100,
        "minimum_item_count": 5,
        "timezone": "UTC",
        "files": {},
    }
    return {"events": events, "sessions": sessions, "windows": windows}


def write_alice(folder):
    """Write what the two text models leave; return what the page is given."""
    given = {"metrics": {}, "histories": {}, "samples": {}, "figures": {}}
    for model, bits in (("deck", 2.9), ("char_gru", 2.1)):
        values = {
            "metrics": {
                "bits_per_character": bits,
                "adapting_bits_per_character": bits - 0.1 if model == "char_gru" else None,
                "epochs": 2,
                "parameters": 23_456,
            },
            "histories": {
                "epochs": [{"epoch": e, "loss": 4 / e, "held_out_bits": 4.1 / e} for e in (1, 2)],
                "seconds": [9.0, 9.5],
            },
            "samples": {
                "seed_text": "'perhaps n",
                "seed_found": True,
                "samples": [{"temperature": 0.5, "text": SAMPLE, "word_share": 0.75}],
            },
        }
        for kind, value in values.items():
            given[kind][model] = folder / model / f"{kind}.json"
            write_json(given[kind][model], value)
    return given


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> dict:
    """What the page is given: `simulated` with two seeds and the oracle, `real` with few buyers."""
    folder = Path(tmp_path_factory.mktemp("run"))
    runs = {"oracle": 0.0, "gru seed 0": 0.5, "gru seed 1": 0.6, "gradient_boosting seed 0": 2.0}
    return {
        "datasets": {
            "simulated": write_dataset(folder / "simulated", runs=runs, sessions=1511, base=-2.5),
            "real": write_dataset(folder / "real", runs={"mine seed 0": 1.0}, sessions=401, base=-4.5),
        },
        "alice": write_alice(folder / "alice"),
        "unsafe": (SCRIPT, SAMPLE),
    }
