"""The next event: what is asked, what a network learns that counts can't know, what the counts are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from window_fixtures import SIZES, session, write_windows

from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import mean_with_interval
from rabbithole.evaluation.next_event_baselines import evaluate_baselines, transitions
from rabbithole.evaluation.next_event_networks import evaluate_networks
from rabbithole.io.atomic import write_json
from rabbithole.training.data import read_encoding, read_from_start, read_split
from rabbithole.training.next_event import NextEventObjective
from rabbithole.training.score import score
from rabbithole.training.train import train
from rabbithole.windows.fields import FIRST_VALUE, MISSING, NUMERIC, UNSEEN
from rabbithole.windows.next_events import IGNORED, next_event_labels, read_classes

LENGTH = 6
VOCABULARIES = {"event": ["view", "addtocart"], "category": ["a", "b", "c"]}
SMALL = SIZES | {"event": FIRST_VALUE + 2, "category": FIRST_VALUE + 3}
NETWORK = {
    "embedding_width": 8,
    "width": 16,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "weight_decay": 0.0001,
}


def by_the_last_two(count: int, rng: np.random.Generator, prefix: str) -> list[dict[str, Any]]:
    """Return sessions whose next event is a cart exactly if the last two differ, and whose category follows.

    After one event alone nothing is known: of the first two, all four pairs come alike. Sessions of five
    events are bought, of four not: the fifth comes by chance.
    """
    rows = []
    for number in range(count):
        carts = rng.integers(0, 2, 2).tolist()
        while len(carts) < 4 + number % 2:
            carts.append(carts[-1] ^ carts[-2])
        events = [FIRST_VALUE + cart for cart in carts]
        categories = [FIRST_VALUE + cart for cart in carts]
        name = f"{prefix}{number:05d}"
        rows.append(session(name, number % 2, [4] * len(carts), event=events, category=categories))
    return rows


def small(folder: Path, **splits: list[dict[str, Any]]) -> Path:
    """Write windows of two types of events and three categories."""
    return write_windows(folder, length=LENGTH, sizes=SMALL, vocabularies=VOCABULARIES, **splits)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows of such sessions."""
    rng = np.random.default_rng(0)
    rows = {
        split: by_the_last_two(count, rng, split)
        for split, count in (("train", 3000), ("valid", 400), ("test", 400))
    }
    return small(tmp_path_factory.mktemp("second") / "windows", **rows)


def fit(windows: Path, folder: Path, model: str, **training: Any) -> dict[str, Any]:
    """Train a network on the next event, judge it, and return its figures."""
    train(
        model=model,
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        settings=NETWORK,
        training={"batch_size": 64, "epochs": 4, "patience": 4, "unseen_share": 0.01} | training,
        balance="none",
        augmentation={"prefixes": True, "event_dropout": 0.0},
        target="next_event",
        seed=0,
        code="",
        resume=folder / "resume",
        checkpoint_minutes=5,
    )
    evaluate_networks(
        checkpoints=[folder / "model"], windows=windows, steps=[1, 2], output=folder / "next_event.json"
    )
    found: dict[str, Any] = json.loads((folder / "next_event.json").read_text())
    return found


def test_a_network_knows_what_a_first_order_chain_cannot(windows: Path, tmp_path: Path) -> None:
    """After two events the next one is certain, but for the end; a chain knows one event alone."""
    evaluate_baselines(
        windows=windows,
        steps=[2],
        most_frequent=tmp_path / "most_frequent.json",
        markov=tmp_path / "markov.json",
    )
    chain = json.loads((tmp_path / "markov.json").read_text())
    for model in ("gru", "dilated_conv"):
        found = fit(windows, tmp_path / model, model)
        after_two = {row["steps"]: row for row in found["event"]["by_steps"]}[2]
        assert after_two["cross_entropy"]["value"] < 0.05
        assert after_two["top_1"] == 1.0
        assert {row["steps"]: row for row in chain["event"]["by_steps"]}[2]["top_1"] < 0.8
        # Of each pair of sessions: nothing is known after one event, and of the fourth whether it is the end.
        least = (2 * np.log(2) + 2 * np.log(2)) / 9
        assert least - 0.02 < found["event"]["cross_entropy"]["value"] < least + 0.05
        assert found["category"]["cross_entropy"]["value"] < chain["category"]["cross_entropy"]["value"] - 0.2
        assert {row["name"] for row in found["event"]["classes"]} == {"view", "addtocart", "purchase", "end"}
    with pytest.raises(UserError, match="not buyers: train it again"):
        score(checkpoint=tmp_path / "gru/model", windows=windows, steps=[1], output=tmp_path / "x")
    write_json(tmp_path / "model.json", {"sizes": SMALL, "length": LENGTH})
    with pytest.raises(UserError, match="not for the next event"):
        evaluate_networks(checkpoints=[tmp_path], windows=windows, steps=[], output=tmp_path / "x")


def test_where_batches_are_gathered_makes_no_difference(
    windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the processor, or as on an accelerator; nothing is hidden, as each draws that in its own way."""
    how = {"unseen_share": 0.0, "epochs": 1}
    monkeypatch.setattr("rabbithole.training.devices.accelerated", lambda: False)
    host = fit(windows, tmp_path / "host", "gru", **how)
    monkeypatch.setattr("rabbithole.training.devices.accelerated", lambda: True)
    there = fit(windows, tmp_path / "there", "gru", **how)
    value = host["event"]["cross_entropy"]["value"]
    assert there["event"]["cross_entropy"]["value"] == pytest.approx(value, rel=1e-4)


def test_each_step_is_asked_for_what_follows_it(tmp_path: Path) -> None:
    a, b = FIRST_VALUE, FIRST_VALUE + 1
    rows = [
        session("1", 1, [4] * 3, event=[a, b, a], category=[a, MISSING, UNSEEN]),
        session("2", 0, [4], event=[b], category=[b]),
        # Longer than the window: where it ends is not asked, and its first step does not tell.
        session("3", 1, [4] * LENGTH, event=[a] * LENGTH, dwell=[0.5] * LENGTH) | {"events": LENGTH + 9},
    ]
    folder = small(tmp_path / "windows", train=rows, valid=rows[:2])
    encoding, classes = read_encoding(folder), read_classes(folder)
    event, category = next_event_labels(read_split(folder, "train", encoding), classes, LENGTH)
    assert event.tolist() == [1, 0, 2, 3, *[0] * (LENGTH - 1), IGNORED]
    no_category = 3
    asked = [no_category, IGNORED, IGNORED, IGNORED, *[0] * (LENGTH - 1), IGNORED]
    assert category.tolist() == asked
    task = NextEventObjective.read(folder, encoding, balance="none", augmentation={})
    dwell = task.train.numbers[task.train.offsets[:-1], NUMERIC.index("dwell")]
    assert np.isnan(dwell).all()


def test_a_long_session_is_judged_on_its_beginning(tmp_path: Path) -> None:
    long = {"events": LENGTH + 2}
    end = session("9", 1, [5] * LENGTH, dwell=[0.5] * LENGTH) | long
    begin = session("9", 1, [6] * LENGTH) | long
    folder = small(tmp_path / "windows", test=[end, session("8", 0, [4])], test_beginnings=[begin])
    encoding = read_encoding(folder)
    parts = [part for part in read_from_start(folder, "test", encoding) if len(part)]
    items = np.concatenate([part.codes[:, 1] for part in parts])
    assert sorted(items.tolist()) == [4, *[6] * LENGTH]


def test_a_chain_is_what_was_counted() -> None:
    """Three states, two classes: eight counts and the smoothing by hand."""
    counts = np.array([[3, 1], [0, 2], [0, 0]])
    np.testing.assert_allclose(transitions(counts, 0), [[4 / 8, 4 / 8]] * 3)
    np.testing.assert_allclose(transitions(counts, 1), [[4 / 6, 2 / 6], [1 / 4, 3 / 4], [1 / 2, 1 / 2]])
    uneven = transitions(np.array([[5, 1], [0, 0]]), 1)
    np.testing.assert_allclose(uneven, [[(5 + 2 * 6 / 8) / 8, (1 + 2 * 2 / 8) / 8], [6 / 8, 2 / 8]])


def test_baselines_are_fitted_on_train_and_judged_on_test(tmp_path: Path) -> None:
    a, b = FIRST_VALUE, FIRST_VALUE + 1
    rows = [session("1", 0, [4] * 2, event=[a, b]), session("2", 1, [4] * 2, event=[a, a])]
    folder = small(tmp_path / "windows", train=rows, valid=rows, test=rows[:1])
    evaluate_baselines(
        windows=folder, steps=[1], most_frequent=tmp_path / "0.json", markov=tmp_path / "1.json"
    )
    alone, chain = (json.loads((tmp_path / f"{n}.json").read_text())["event"] for n in (0, 1))
    # In train view, cart, purchase and end follow once each: shares of a quarter. After a view: cart, view
    # and purchase, once each; after a cart the end. Four more counts are dealt out evenly.
    assert alone["cross_entropy"]["value"] == pytest.approx(np.log(4))
    assert chain["cross_entropy"]["value"] == pytest.approx(-(np.log(2 / 7) + np.log(2 / 5)) / 2)
    assert chain["predictions"] == 2


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    """A session's answers are all alike: an interval that took each for its own would be far too narrow."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        lengths = rng.integers(1, 8, 200)
        values = np.repeat(rng.normal(1.0, 1.0, 200), lengths)
        found = mean_with_interval(values, np.repeat(np.arange(200), lengths))
        held += found["low"] < 1.0 < found["high"]
    assert 270 <= held <= 297
