"""Time the scoring of all sessions of a data set, including train, relative to an epoch of training.

    python benchmarks/bench_score.py full-size/results/yoochoose gru dilated_conv

A run with `config/full_size.yaml` writes `full-size/results`. Train and valid are scored as ended sessions,
test also after seven numbers of steps. As in the workflow, scoring runs in another process on one core.
Prints the median and range of each model's times, its peak memory, and the ratio to an epoch over as many
sessions.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from bench_etl import Times, measure

from rabbithole.artifacts.data import WindowsManifest
from rabbithole.artifacts.training import History
from rabbithole.io.parts import manifest_path

PROGRAM = """
import os, sys
from pathlib import Path
os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = "1"
from rabbithole.cli.jax_setup import enable_compile_cache
enable_compile_cache()
from rabbithole.specs.training import ScoreSpec
from rabbithole.evaluation.score_sessions import score
checkpoint, windows, output = map(Path, sys.argv[1:])
score(ScoreSpec(steps=(1, 2, 3, 5, 10, 20, 50)), checkpoint=checkpoint, windows=windows, output=output)
"""


def main(
    results: Annotated[Path, typer.Argument(help="A data set's folder with windows and trained models.")],
    models: Annotated[list[str], typer.Argument(help="Models to score with.")],
    rounds: int = 3,
) -> None:
    """Score with each model in turn, several times, and print the times."""
    times: dict[str, Times] = {}
    epochs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        windows = Path(temporary) / "windows"
        train_sessions, other_sessions = link_windows(results.absolute() / "windows", windows)
        sessions = train_sessions + other_sessions
        for _ in range(rounds):
            for model in models:
                folder = results / model / "seed-0"
                history = History.read(folder / "history.json")
                epochs[model] = statistics.median(history.seconds) * sessions / train_sessions
                command = [sys.executable, "-c", PROGRAM, str(folder / "checkpoint"), str(windows)]
                command.append(f"{temporary}/scores.parquet")
                measure(times.setdefault(model, Times()), command, {"JAX_PLATFORMS": "cpu"})
    print(f"{sessions:,} sessions, one core")
    for model, measured in times.items():
        median, epoch = statistics.median(measured.seconds), epochs[model]
        print(
            f"{model}: {median:.1f} s ({min(measured.seconds):.1f} to {max(measured.seconds):.1f}), "
            f"{max(measured.memory):,.0f} MB, {median / epoch:.2f} of an epoch ({epoch:.0f} s)"
        )


def link_windows(source: Path, target: Path) -> tuple[int, int]:
    """Link windows, with the files of train in the folder of valid.

    Returns the number of sessions in train, and in the other splits.
    """
    target.mkdir()
    for split in ("test", "test_prefixes", "valid"):
        (target / split).mkdir()
        for file in WindowsManifest.parts(source, split):
            (target / split / file.name).symlink_to(file)
    for file in WindowsManifest.parts(source, "train"):
        (target / "valid" / f"train-{file.name}").symlink_to(file)
    for name in ("encoder.json", "prices.parquet"):
        if (source / name).exists():
            (target / name).symlink_to(source / name)
    manifest = WindowsManifest.of(source)
    manifest.model_copy(update={"files": WindowsManifest.files_of(target)}).write(manifest_path(target))
    counts = [manifest.splits[split].rows for split in ("train", "valid", "test")]
    return counts[0], sum(counts[1:])


if __name__ == "__main__":
    typer.run(main)
