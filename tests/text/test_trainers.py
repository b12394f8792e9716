"""The trainers of both text models: their batches, their first updates, and the texts that they refuse."""

import numpy as np
import pytest

from rabbithole.errors import UserError
from rabbithole.text.checkpoint import text_model
from rabbithole.text.corpus import split
from rabbithole.text.trainer import UPDATES_PER_CALL, portions


@pytest.mark.parametrize(("model", "loss"), [("deck", 3.5322506), ("char_gru", 3.2376907)])
def test_the_first_updates_have_the_pinned_loss(model, loss, specs, line):
    trainer = text_model(model).trainer(split(line * 60), specs[model].settings, seed=3)
    state = trainer.train_batch(trainer.progress.state, trainer.batches(0)[0], epoch=0, number=0)
    assert float(state.sums[1]) == 40
    assert float(state.sums[0] / state.sums[1]) == pytest.approx(loss, rel=1e-5)


def test_the_deck_predicts_every_character_after_a_window_at_most_once_per_epoch(specs, line):
    corpus = split(line * 60)
    trainer = text_model("deck").trainer(corpus, specs["deck"].settings, seed=3)
    positions = np.concatenate([batch[0].ravel() for batch in trainer.batches(0)])
    possible = corpus.held_out - 20
    assert len(positions) == len(set(positions.tolist())) == possible // 64 * 64
    assert positions.min() >= 20 and positions.max() < corpus.held_out


def test_each_stream_reads_on_from_one_update_to_the_next(specs, line):
    corpus = split(line * 60)
    trainer = text_model("char_gru").trainer(corpus, specs["char_gru"].settings, seed=3)
    inputs = np.concatenate([batch[0] for batch in trainer.batches(0)])
    targets = np.concatenate([batch[1] for batch in trainer.batches(0)])
    for stream in range(4):
        read, predicted = inputs[:, :, stream].ravel(), targets[:, :, stream].ravel()
        assert read[1:].tolist() == predicted[:-1].tolist()
    text, part = corpus.codes[: corpus.held_out].tolist(), inputs[:, :, 0].ravel().tolist()
    assert any(text[begin : begin + len(part)] == part for begin in range(len(text) - len(part)))


@pytest.mark.parametrize("updates", [1, 63, 64, 65, 1000])
def test_portions_cover_all_updates_in_order_and_differ_by_one_at_most(updates):
    parts = [list(range(updates))[part] for part in portions(updates)]
    sizes = {len(part) for part in parts}
    assert [update for part in parts for update in part] == list(range(updates))
    assert max(sizes) <= UPDATES_PER_CALL and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("model", ["deck", "char_gru"])
def test_a_text_that_is_too_short_is_refused(model, specs):
    with pytest.raises(UserError, match=r"has 72 characters and these settings need (84|81)"):
        text_model(model).trainer(split("a cat as" * 10), specs[model].settings, seed=0)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(UserError, match="'lstm'; known: deck, char_gru"):
        text_model("lstm")
