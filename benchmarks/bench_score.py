"""Times the scoring of every session of a data set, train's too, beside an epoch of training.

    python benchmarks/bench_score.py full-size/results/yoochoose gru dilated_conv

`full-size/results` is what `config/full_size.yaml` leaves. Train and valid are scored as ended sessions,
those of test at eight moments, by the command and on the core that the workflow gives it. Prints each
model's median, its range, the most memory held, and the ratio to an epoch over as many sessions.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer
from bench_etl import Times, measure

from rabbithole.io.manifests import write_manifest
from rabbithole.io.parts import data_files

MOMENTS = [1, 2, 3, 5, 10, 20, 50]


def main(
    results: Annotated[Path, typer.Argument(help="A data set's folder with windows and trained models.")],
    models: Annotated[list[str], typer.Argument(help="Models to score with.")],
    rounds: int = 3,
) -> None:
    """Score with each model in turn, several times, and tell what it took."""
    windows, found, epochs = results.absolute() / "windows", {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        all_of_it = Path(temporary) / "windows"
        trained, more = gather(windows, all_of_it)
        for _ in range(rounds):
            for model in models:
                folder = results / model / "seed-0"
                history = json.loads((folder / "history.json").read_text())
                epochs[model] = statistics.median(history["seconds"]) * (trained + more) / trained
                command = [sys.executable, "-m", "rabbithole", "score", "--threads", "1"]
                command += ["--settings", json.dumps({"steps": MOMENTS}), "--windows", str(all_of_it)]
                command += ["--checkpoint", str(folder / "checkpoint")]
                command += ["--output", f"{temporary}/scores.parquet"]
                measure(found.setdefault(model, Times()), command, {"JAX_PLATFORMS": "cpu"})
    print(f"{trained + more:,} sessions, one core")
    for model, times in found.items():
        middle = statistics.median(times.seconds)
        print(
            f"{model}: {middle:.1f} s ({min(times.seconds):.1f} to {max(times.seconds):.1f}), "
            f"{max(times.memory):,.0f} MB, {middle / epochs[model]:.2f} of an epoch ({epochs[model]:.0f} s)"
        )


def gather(windows: Path, place: Path) -> tuple[int, int]:
    """Lay out windows, train's sessions among those of valid; return the sessions of train and the others."""
    place.mkdir()
    for name in ("test", "test_beginnings", "valid"):
        (place / name).mkdir()
        for file in data_files(windows / name):
            (place / name / file.name).symlink_to(file)
    for file in data_files(windows / "train"):
        (place / "valid" / f"train-{file.name}").symlink_to(file)
    for name in ("encoder.json", "prices.parquet"):
        (place / name).symlink_to(windows / name)
    write_manifest(place)
    counts = [
        sum(pq.read_metadata(file).num_rows for file in data_files(windows / name))
        for name in ("train", "valid", "test")
    ]
    return counts[0], sum(counts[1:])


if __name__ == "__main__":
    typer.run(main)
