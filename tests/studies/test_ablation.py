"""The ablation of balances and augmentations, on sessions small enough to train in seconds."""

from pathlib import Path

import numpy as np
import pytest
from factories import network_settings, network_training, random_windows, write_windows

from rabbithole.artifacts.studies import Ablation
from rabbithole.specs.evaluation import AblationSpec
from rabbithole.studies import ablation
from rabbithole.studies.tables import ablation_tables

SPEC = AblationSpec(
    model="gru",
    settings=network_settings(dropout=0.0, learning_rate=0.02, weight_decay=0.0),
    training=network_training(epochs=6, patience=6, unseen_share=0.0),
    seeds=(0,),
    steps=(2, 5),
)


@pytest.mark.slow
def test_each_variant_is_calibrated_and_each_prefix_length_has_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = {name: ablation.VARIANTS[name] for name in ("none", "undersample")}
    monkeypatch.setattr(ablation, "VARIANTS", variants)
    rng = np.random.default_rng(0)
    splits = {
        split: random_windows(count, rng, prefix=split, buyers=0.15, longest=4)
        for split, count in (("train", 4000), ("valid", 500), ("test", 2000))
    }
    windows = write_windows(tmp_path / "windows", length=4, **splits)
    output = tmp_path / "ablation.json"
    ablation.run_ablation(SPEC, windows=windows, oracle=None, output=output)
    study = Ablation.read(output)
    assert [(variant.name, variant.seed) for variant in study.variants] == [("none", 0), ("undersample", 0)]
    for variant in study.variants:
        assert variant.auc is not None and variant.share is not None
        assert variant.sessions == 2000 and variant.auc.value > 0.65, variant
        # Undersampling trains on as many buyers as others, and yet the scores have the natural mean.
        assert 0.75 * variant.share < variant.calibration.mean_score < 1.33 * variant.share, variant
    # No session has five events.
    (prefix,) = study.prefixes
    assert prefix.steps == 2
    assert prefix.sessions == sum(row["events"] >= 2 for row in splits["test"])
    assert min(prefix.auc, prefix.single) > 0.6 and abs(prefix.difference) < 0.05, prefix

    ablation_tables(ablations={"shop": {"gru": output}}, output=tmp_path / "ablation.md")
    text = (tmp_path / "ablation.md").read_text()
    assert study.variants[0].auc is not None
    assert f"| none | 1 | {study.variants[0].auc.value:.4f} |" in text
    assert f"| 2 | {prefix.sessions:,} | {prefix.buyers} | {prefix.auc:.4f} | {prefix.single:.4f} |" in text
