"""The next event: its labels, what a network learns that counts cannot know, and the counted baselines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import SIZES, Row, network_settings, network_training, train_spec, window, write_windows
from model_pages import documented_files

from rabbithole.artifacts.evaluation import NextEventMetrics
from rabbithole.artifacts.training import ModelDescription
from rabbithole.errors import UserError
from rabbithole.evaluation.next_event import mean_with_interval
from rabbithole.evaluation.next_event_baselines import evaluate_baselines, transition_probabilities
from rabbithole.evaluation.next_event_networks import evaluate_networks
from rabbithole.evaluation.score_sessions import score
from rabbithole.specs.training import AugmentationSpec, ResumeOptions, ScoreSpec
from rabbithole.training.next_event import NextEventObjective
from rabbithole.training.train import train
from rabbithole.windows.arrays import read_encoding, read_from_start, read_split
from rabbithole.windows.fields import FIRST_VALUE, MISSING, NUMERIC, UNSEEN
from rabbithole.windows.next_events import IGNORED, next_event_labels, read_classes

LENGTH = 6
VOCABULARIES = {"event": ["view", "addtocart"], "category": ["a", "b", "c"]}
SMALL = SIZES | {"event": FIRST_VALUE + 2, "category": FIRST_VALUE + 3}
NETWORK = network_settings(embedding_width=8, width=16, dropout=0.0, learning_rate=0.02)


def second_order(count: int, rng: np.random.Generator, prefix: str) -> list[Row]:
    """Return sessions whose next event is a cart exactly if the last two differ, as is its category.

    After one event nothing is known: all four pairs of first events are equally frequent. Sessions of five
    events are bought, those of four are not; which it is, is random.
    """
    rows = []
    for number in range(count):
        carts = rng.integers(0, 2, 2).tolist()
        while len(carts) < 4 + number % 2:
            carts.append(carts[-1] ^ carts[-2])
        events = [FIRST_VALUE + cart for cart in carts]
        categories = [FIRST_VALUE + cart for cart in carts]
        name = f"{prefix}{number:05d}"
        rows.append(window(name, number % 2, [4] * len(carts), event=events, category=categories))
    return rows


def write_small(folder: Path, **splits: list[Row]) -> Path:
    """Write windows with two event types and three categories."""
    return write_windows(folder, length=LENGTH, sizes=SMALL, vocabularies=VOCABULARIES, **splits)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows of second-order sessions."""
    rng = np.random.default_rng(0)
    rows = {
        split: second_order(count, rng, split)
        for split, count in (("train", 3000), ("valid", 400), ("test", 400))
    }
    return write_small(tmp_path_factory.mktemp("second") / "windows", **rows)


def fit(
    windows: Path, folder: Path, model: str, file: Path | None = None, **training: Any
) -> NextEventMetrics:
    """Train a network on the next event, evaluate it, and return its metrics."""
    train(
        train_spec(
            model,
            settings=NETWORK,
            training=network_training(**{"epochs": 4, "patience": 4} | training),
            target="next_event",
        ),
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        code="",
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
        file=file,
    )
    evaluate_networks(
        ScoreSpec(steps=(1, 2)),
        checkpoints=[folder / "model"],
        windows=windows,
        output=folder / "next_event.json",
    )
    return NextEventMetrics.read(folder / "next_event.json")


@pytest.mark.slow
def test_a_network_learns_what_a_first_order_chain_cannot(windows: Path, tmp_path: Path) -> None:
    """After two events the next one is certain, except for the end; a chain knows one event alone."""
    evaluate_baselines(
        ScoreSpec(steps=(2,)),
        windows=windows,
        most_frequent=tmp_path / "most_frequent.json",
        markov=tmp_path / "markov.json",
    )
    chain = NextEventMetrics.read(tmp_path / "markov.json")
    assert chain.category is not None
    own = tmp_path / "my_lstm.py"
    own.write_text(documented_files()[own.name])
    for model, file in (("gru", None), ("dilated_conv", None), ("mine", own)):
        metrics = fit(windows, tmp_path / model, model, file)
        after_two = {row.steps: row for row in metrics.event.by_steps}[2]
        assert after_two.cross_entropy.value < 0.05
        assert after_two.top_1 == 1.0
        assert {row.steps: row for row in chain.event.by_steps}[2].top_1 < 0.8
        # Unknown in a pair of sessions: the event after the first one, and whether the fourth is the last.
        least = (2 * np.log(2) + 2 * np.log(2)) / 9
        assert least - 0.02 < metrics.event.cross_entropy.value < least + 0.05
        assert metrics.category is not None
        assert metrics.category.cross_entropy.value < chain.category.cross_entropy.value - 0.2
        assert {row.name for row in metrics.event.classes} == {"view", "addtocart", "purchase", "end"}
    with pytest.raises(UserError, match="not buyers: train it again"):
        score(
            ScoreSpec(steps=(1,)),
            checkpoint=tmp_path / "gru/model",
            windows=windows,
            output=tmp_path / "x",
        )
    description = ModelDescription.read(tmp_path / "gru/model/model.json")
    (tmp_path / "buyer").mkdir()
    description.model_copy(update={"target": "buyer"}).write(tmp_path / "buyer/model.json")
    with pytest.raises(UserError, match="not for the next event"):
        evaluate_networks(
            ScoreSpec(steps=()), checkpoints=[tmp_path / "buyer"], windows=windows, output=tmp_path / "x"
        )


@pytest.mark.slow
def test_host_and_device_batches_train_the_same_network(
    windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is masked, as host and device draw different random numbers."""
    training = {"unseen_share": 0.0, "epochs": 1}
    monkeypatch.setattr("rabbithole.training.batch_source.on_accelerator", lambda: False)
    host = fit(windows, tmp_path / "host", "gru", **training)
    monkeypatch.setattr("rabbithole.training.batch_source.on_accelerator", lambda: True)
    device = fit(windows, tmp_path / "device", "gru", **training)
    value = host.event.cross_entropy.value
    assert device.event.cross_entropy.value == pytest.approx(value, rel=1e-4)


def test_the_labels_of_a_step_are_the_event_and_category_that_follow(tmp_path: Path) -> None:
    a, b = FIRST_VALUE, FIRST_VALUE + 1
    rows = [
        window("1", 1, [4] * 3, event=[a, b, a], category=[a, MISSING, UNSEEN]),
        window("2", 0, [4], event=[b], category=[b]),
        # Longer than the window: its end has no label, and its first step does not reveal the length.
        window("3", 1, [4] * LENGTH, event=[a] * LENGTH, dwell=[0.5] * LENGTH) | {"events": LENGTH + 9},
    ]
    folder = write_small(tmp_path / "windows", train=rows, valid=rows[:2])
    encoding, classes = read_encoding(folder), read_classes(folder)
    event, category = next_event_labels(read_split(folder, "train", encoding), classes, LENGTH)
    assert event.tolist() == [1, 0, 2, 3, *[0] * (LENGTH - 1), IGNORED]
    no_category = 3
    expected = [no_category, IGNORED, IGNORED, IGNORED, *[0] * (LENGTH - 1), IGNORED]
    assert category.tolist() == expected
    augmentation = AugmentationSpec(prefixes=True, event_dropout=0.0)
    objective = NextEventObjective.read(folder, encoding, balance="none", augmentation=augmentation)
    dwell = objective.train.numbers[objective.train.offsets[:-1], NUMERIC.index("dwell")]
    assert np.isnan(dwell).all()


def test_a_long_session_is_read_from_its_first_event(tmp_path: Path) -> None:
    long = {"events": LENGTH + 2}
    end = window("9", 1, [5] * LENGTH, dwell=[0.5] * LENGTH) | long
    prefix = window("9", 1, [6] * LENGTH) | long
    folder = write_small(tmp_path / "windows", test=[end, window("8", 0, [4])], test_prefixes=[prefix])
    encoding = read_encoding(folder)
    parts = [part for part in read_from_start(folder, "test", encoding) if len(part)]
    items = np.concatenate([part.codes[:, 1] for part in parts])
    assert sorted(items.tolist()) == [4, *[6] * LENGTH]


def test_transition_probabilities_are_smoothed_counts() -> None:
    """Three states, two classes: counts and smoothing by hand."""
    counts = np.array([[3, 1], [0, 2], [0, 0]])
    np.testing.assert_allclose(transition_probabilities(counts, 0), [[4 / 8, 4 / 8]] * 3)
    np.testing.assert_allclose(
        transition_probabilities(counts, 1), [[4 / 6, 2 / 6], [1 / 4, 3 / 4], [1 / 2, 1 / 2]]
    )
    uneven = transition_probabilities(np.array([[5, 1], [0, 0]]), 1)
    np.testing.assert_allclose(uneven, [[(5 + 2 * 6 / 8) / 8, (1 + 2 * 2 / 8) / 8], [6 / 8, 2 / 8]])


def test_baselines_are_fitted_on_train_and_evaluated_on_test(tmp_path: Path) -> None:
    a, b = FIRST_VALUE, FIRST_VALUE + 1
    rows = [window("1", 0, [4] * 2, event=[a, b]), window("2", 1, [4] * 2, event=[a, a])]
    folder = write_small(tmp_path / "windows", train=rows, valid=rows, test=rows[:1])
    evaluate_baselines(
        ScoreSpec(steps=(1,)),
        windows=folder,
        most_frequent=tmp_path / "0.json",
        markov=tmp_path / "1.json",
    )
    frequent, chain = (NextEventMetrics.read(tmp_path / f"{n}.json").event for n in (0, 1))
    # In train, view, cart, purchase and end follow once each: a quarter each. A view is followed by cart,
    # view and purchase, once each, a cart by the end. Four smoothing counts are spread evenly.
    assert frequent.cross_entropy.value == pytest.approx(np.log(4))
    assert chain.cross_entropy.value == pytest.approx(-(np.log(2 / 7) + np.log(2 / 5)) / 2)
    assert chain.predictions == 2


def test_the_interval_holds_the_mean_as_often_as_it_claims() -> None:
    """All values of a session are equal: an interval that took them for independent would be too narrow."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        lengths = rng.integers(1, 8, 200)
        values = np.repeat(rng.normal(1.0, 1.0, 200), lengths)
        mean = mean_with_interval(values, np.repeat(np.arange(200), lengths))
        assert mean.low is not None and mean.high is not None
        covered += mean.low < 1.0 < mean.high
    assert 270 <= covered <= 297
