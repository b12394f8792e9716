"""Kills tiny runs at random moments, many times; they must come to the bytes of a run left alone.

make torture
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from killing import draw, explain, leftovers, outcomes, run_and_kill
from workflow_runs import ROOT, snakemake, workplace


def main(
    kills: Annotated[int, typer.Option(help="kills to survive")] = 50,
    seed: Annotated[int, typer.Option(help="seed of targets, signals and moments")] = 0,
    longest: Annotated[
        float, typer.Option(help="seconds after its start at which a run is killed, at most")
    ] = 20,
) -> None:
    """Run, kill, go on, until so many kills are survived; print a line for each, and how runs ended."""
    random = np.random.default_rng(seed)
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rabbithole-torture-") as place:
        alone = workplace(Path(place, "alone"))
        finish(alone)
        expected, number = outcomes(alone), 0
        while survived.total() < kills:
            folder = workplace(Path(place, f"killed-{number}"))
            number += 1
            while survived.total() < kills:
                target, how = draw(random)
                kill = run_and_kill(folder, ROOT, target, how, random.uniform(3, longest))
                print(f"run {number}  {explain(kill)}", flush=True)
                if kill is None:
                    break
                survived[f"{kill.target} {kill.signal}"] += 1
            finish(folder)
            differ = {path for path, found in outcomes(folder).items() if expected.get(path) != found}
            if differ or outcomes(folder).keys() != expected.keys() or leftovers(folder):
                raise SystemExit(f"run {number} differs: {sorted(differ)}, left behind: {leftovers(folder)}")
            print(f"run {number}  went on to the end: {len(expected)} files, the same bytes", flush=True)
    print("survived: " + ", ".join(f"{count} {kind}" for kind, count in sorted(survived.items())))


def finish(folder: Path) -> None:
    """Run to the end; a run that can't ends the torture."""
    done = snakemake(folder)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-6000:])


if __name__ == "__main__":
    typer.run(main)
