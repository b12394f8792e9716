"""Every feature of one prefix by its definition, in plain Python: slow, and easy to check by eye."""

import itertools
import zlib
from collections import Counter
from typing import Any

import numpy as np

from rabbithole.artifacts.data import NormaliserRecord
from rabbithole.windows.arrays import Windows

NAN = float("nan")
SCALES = {
    "dwell": NormaliserRecord(mean=3.0, deviation=1.5),
    "cost": NormaliserRecord(mean=2.0, deviation=0.5),
    "stock": NormaliserRecord(mean=0.5, deviation=1.0),
}
COUNTED = {"event": (4, 5, 6), "category": (4, 5, 6, 7, 8), "device": (4, 5)}
EARLIER = (4, 5, 6, 7)


def natural(value: float, field: str) -> float:
    """Return a normalised number as it was in the log."""
    log = value * SCALES[field].deviation + SCALES[field].mean
    return float(np.sign(log) * (np.exp(abs(log)) - 1))


def session(windows: Windows, row: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the earlier steps and the own ones of a session, as values by field."""
    steps = []
    for index in range(windows.offsets[row], windows.offsets[row + 1]):
        step = {name: int(windows.codes[index, i]) for i, name in enumerate(windows.fields.categorical)}
        step |= {name: float(windows.numbers[index, i]) for i, name in enumerate(windows.fields.numeric)}
        steps.append(step)
    earlier = int(windows.history[row])
    return steps[:earlier], steps[earlier:]


def known(values: list[float]) -> list[float]:
    return [value for value in values if not np.isnan(value)]


def number(name: str, values: list[float]) -> dict[str, float]:
    rest = known(values)
    return {
        f"{name}: mean": np.mean(rest) if rest else NAN,
        f"{name}: lowest": min(rest, default=NAN),
        f"{name}: highest": max(rest, default=NAN),
        f"{name}: standard deviation": np.std(rest) if rest else NAN,
        f"{name}: sum": sum(rest) if rest else NAN,
        f"{name}: unknown share": 1 - len(rest) / len(values),
        f"{name}: first": rest[0] if rest else NAN,
        f"{name}: last": rest[-1] if rest else NAN,
    }


def journey(name: str, codes: list[int], events: list[int]) -> dict[str, float]:
    counts = Counter(codes)
    runs: list[list[int]] = []
    for place, code in enumerate(codes):
        if place and codes[place - 1] == code:
            runs[-1].append(code)
        else:
            runs.append([code])
    fresh = [code not in codes[:place] for place, code in enumerate(codes)]
    seen = [runs[i][0] in [run[0] for run in runs[:i]] for i in range(len(runs))]
    return {
        f"{name}: distinct": len(counts),
        f"{name}: repeats": len(codes) - len(counts),
        f"{name}: share of repeats": (len(codes) - len(counts)) / len(codes),
        f"{name}: returns": sum(seen),
        f"{name}: longest run": max(map(len, runs)),
        f"{name}: run at the end": len(runs[-1]),
        f"{name}: count of the most frequent": max(counts.values()),
        f"{name}: share of the most frequent": max(counts.values()) / len(codes),
        f"{name}: count of the last": counts[codes[-1]],
        f"{name}: new among the last 3": sum(fresh[-3:]),
        f"{name}: new among the last 10": sum(fresh[-10:]),
        **{
            f"event {kind}: distinct {name}": len(
                {code for code, event in zip(codes, events, strict=True) if event == kind}
            )
            for kind in COUNTED["event"]
        },
        f"{name}: missing": counts[1],
        f"{name}: unseen": counts[2],
        f"{name}: rare": counts[3],
    }


def table(train: Windows, field: str, fold: int | None) -> dict[int, tuple[float, float]]:
    """Return the purchase rate and the popularity of each code in sessions of other folds (None: of all)."""
    share = float(train.buyer.mean())
    names = train.session_id.to_pylist()
    folds = [zlib.crc32(name.rpartition("-")[0].encode()) % 5 for name in names]
    rows = [row for row in range(len(train)) if folds[row] != fold]
    sessions: Counter[int] = Counter()
    buyers: Counter[int] = Counter()
    for row in rows:
        codes = {step[field] for step in session(train, row)[1]}
        sessions.update(codes)
        buyers.update(codes if train.buyer[row] else ())
    prior = np.log(share / (1 - share))
    out = {}
    for code in range(64):
        b, n = buyers[code] + 1, sessions[code] + 1 / share
        out[code] = (np.log(b / (n - b)) - prior, np.log1p(sessions[code] * len(train) / len(rows)))
    return out


def mean_costs(train: Windows, field: str) -> dict[int, float]:
    costs: dict[int, list[float]] = {code: [] for code in range(64)}
    for row in range(len(train)):
        for step in session(train, row)[1]:
            costs[step[field]] += known([step["cost"] * SCALES["cost"].deviation + SCALES["cost"].mean])
    return {code: np.mean(values) if values else NAN for code, values in costs.items()}


def slow_features(windows: Windows, row: int, steps: int, train: Windows, fold: int | None) -> dict[str, Any]:
    """Return all features of the first `steps` of a session. fold: that of a session of train."""
    earlier, own = session(windows, row)
    own = own[:steps]
    events = [step["event"] for step in own]
    out: dict[str, Any] = {"events": steps}
    for kind in COUNTED["event"]:
        here = [event == kind for event in events]
        out |= {
            f"event {kind}: count": sum(here),
            f"event {kind}: share": sum(here) / steps,
            f"event {kind}: is the last event": here[-1],
            f"event {kind}: count of the last 3": sum(here[-3:]),
            f"event {kind}: count of the last 10": sum(here[-10:]),
            f"event {kind}: place of the first": here.index(True) + 1 if any(here) else NAN,
            f"event {kind}: events since the last": here[::-1].index(True) if any(here) else NAN,
        }
        costs = known([natural(s["cost"], "cost") for s in own if s["event"] == kind])
        out[f"event {kind}: mean cost"] = np.mean(costs) if costs else NAN
        out[f"event {kind}: highest cost"] = max(costs, default=NAN)
    out["event: changes of kind"] = sum(a != b for a, b in itertools.pairwise(events))
    for field in ("item", "category"):
        out |= journey(field, [step[field] for step in own], events)
    for field in ("category", "device"):
        codes = [step[field] for step in own]
        out |= {f"{field} {code}: count": codes.count(code) for code in COUNTED[field]}
        out |= {f"{field}: {what}": codes.count(i) for i, what in enumerate(("missing", "unseen", "rare"), 1)}
    for field in ("item", "category", "device"):
        values = table(train, field, fold)
        codes = [step[field] for step in own]
        most = max(dict.fromkeys(codes), key=codes.count)
        for i, name in enumerate(("purchase rate", "popularity")):
            of_codes = [values[code][i] for code in codes]
            out |= {
                f"{field}: {name}, mean": np.mean(of_codes),
                f"{field}: {name}, lowest": min(of_codes),
                f"{field}: {name}, highest": max(of_codes),
                f"{field}: {name}, last": of_codes[-1],
            }
            if field != "device":
                out[f"{field}: {name}, most frequent"] = values[most][i]
    items, categories = mean_costs(train, "item"), mean_costs(train, "category")
    level = [items[step["item"]] for step in own]
    against = [items[step["item"]] - categories[step["category"]] for step in own]
    for name, prices in (("item: price level", level), ("item: price against its category", against)):
        rest = known(prices)
        out[f"{name}, mean"] = np.mean(rest) if rest else NAN
        out[f"{name}, highest"] = max(rest, default=NAN)
        out[f"{name}, last"] = rest[-1] if rest else NAN
    for field in ("hour", "weekday", "month", "week"):
        out |= {f"{field}: first": own[0][field], f"{field}: last": own[-1][field]}
    out |= number("cost", [natural(step["cost"], "cost") for step in own])
    out |= number("stock", [natural(step["stock"], "stock") for step in own])
    seconds = [natural(step["dwell"], "dwell") for step in own]
    if earlier:
        seconds[0] = NAN
    return out | dwell(seconds) | history(earlier, own)


def dwell(seconds: list[float]) -> dict[str, float]:
    rest = known(seconds)
    out = number("dwell", seconds)
    places = [place for place, value in enumerate(seconds) if not np.isnan(value)]
    logs = [float(np.log1p(value)) for value in rest]
    recent = known(seconds[-3:])
    out["dwell: mean of the last 3"] = np.mean(recent) if recent else NAN
    out["dwell: trend"] = np.polyfit(places, logs, 1)[0] if len(rest) > 1 else NAN
    out["dwell: last against the mean"] = logs[-1] - np.mean(logs) if rest else NAN
    out["dwell: events a minute"] = 60 * len(rest) / (sum(rest) + 1) if rest else NAN
    return out


def history(earlier: list[dict[str, Any]], own: list[dict[str, Any]]) -> dict[str, Any]:
    pause = natural(own[0]["dwell"], "dwell")

    def since(index: int) -> float:
        return pause + sum(known([natural(step["dwell"], "dwell") for step in earlier[index + 1 :]]))

    out: dict[str, Any] = {
        "earlier: events": len(earlier),
        "earlier: sessions": len({step["sessions_ago"] for step in earlier}),
        "earlier: seconds since the last session": pause if earlier else NAN,
        "earlier: seconds since the first event": since(0) if earlier else NAN,
    }
    for kind in EARLIER:
        places = [place for place, step in enumerate(earlier) if step["event"] == kind]
        out[f"earlier event {kind}: count"] = len(places)
        out[f"earlier event {kind}: seconds since the last"] = since(places[-1]) if places else NAN
    for field in ("item", "category"):
        before = {step[field] for step in earlier}
        now = [step[field] for step in own]
        out |= {
            f"earlier: distinct {field}": len(before),
            f"{field}: distinct known from earlier": len(before & set(now)),
            f"{field}: share known from earlier": sum(code in before for code in now) / len(now),
            f"{field}: last is known from earlier": now[-1] in before,
        }
        for kind in EARLIER:
            with_it = {step[field] for step in earlier if step["event"] == kind}
            out[f"{field}: distinct with an earlier event {kind}"] = len(with_it & set(now))
    return out
