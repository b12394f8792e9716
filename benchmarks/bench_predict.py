"""Time `rabbithole predict` beside the three Spark stages on the same log.

    make bench-predict                      # the full size, two rounds: about twelve minutes
    make bench-predict SESSIONS=500000

They take turns. Prints the median time of each, its range and the peak memory of its processes (the sum of
proportional set sizes), how long `predict` read and how long it scored, and its time relative to the stages.
"""

import re
import statistics
import sys
from pathlib import Path
from typing import Annotated

import typer
from bench_etl import MEMORY_MB, Times, measure, show, simulated, time_stages

TIMING = re.compile(r"(Read|Scored) .* in ([\d.]+) s")
"""What `rabbithole --verbose predict` says of its two parts."""


def time_predict(times: dict[str, Times], model: Path, raw: Path, output: Path, threads: int) -> None:
    """Time the prediction and its two parts."""
    whole = times.setdefault("predict", Times())
    command = [sys.executable, "-m", "rabbithole", "--verbose", "predict", str(model), str(raw)]
    options = ["-o", str(output), "--threads", str(threads), "--memory-mb", str(MEMORY_MB)]
    for part, seconds in TIMING.findall(measure(whole, command + options, {})):
        times.setdefault(f"predict: {part.lower()}", Times()).seconds.append(float(seconds))


def main(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    sessions: Annotated[int, typer.Option(help="Sessions of YOOCHOOSE's log.")] = 9_249_729,
    rounds: int = 2,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Folder of logs and outputs.")] = Path("bench"),
    log: Annotated[Path | None, typer.Option(help="Another log of YOOCHOOSE's format.")] = None,
) -> None:
    """Run the stages and the prediction in turn, several times, and print the table."""
    folder.mkdir(exist_ok=True)
    raw = simulated(folder, "yoochoose", sessions) if log is None else log
    stages: dict[str, Times] = {}
    predictions: dict[str, Times] = {}
    for _ in range(rounds):
        time_stages(stages, raw, "yoochoose", folder / "yoochoose-stages", threads)
        time_predict(predictions, model, raw, folder / "scores.parquet", threads)
    sums = [sum(seconds) for seconds in zip(*(times.seconds for times in stages.values()), strict=True)]
    stages["all three stages"] = Times(sums, [max(max(times.memory) for times in stages.values())])
    reference = statistics.median(sums)
    show(f"{raw.name}, {threads} cores", stages | predictions, "to the stages", reference)
    print(
        f"predict takes {statistics.median(predictions['predict'].seconds) / reference:.2f} times the stages"
    )


if __name__ == "__main__":
    typer.run(main)
