"""Kill tiny runs at random moments, many times. Their results must equal those of an undisturbed run.

make torture
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from killing import describe, draw_kill, leftovers, outcomes, run_and_kill
from workflow_runs import ROOT, make_run_folder, snakemake


def main(
    kills: Annotated[int, typer.Option(help="number of kills")] = 50,
    seed: Annotated[int, typer.Option(help="seed of targets, signals and times")] = 0,
    longest: Annotated[float, typer.Option(help="latest kill, in seconds after the first step starts")] = 20,
) -> None:
    """Start runs, kill and resume them until the number of kills is reached; print a line for each kill."""
    random = np.random.default_rng(seed)
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rabbithole-torture-") as temporary:
        undisturbed = make_run_folder(Path(temporary, "undisturbed"))
        finish(undisturbed)
        expected, number = outcomes(undisturbed), 0
        while survived.total() < kills:
            folder = make_run_folder(Path(temporary, f"killed-{number}"))
            number += 1
            while survived.total() < kills:
                target, sent = draw_kill(random)
                kill = run_and_kill(folder, ROOT, target, sent, random.uniform(3, longest))
                print(f"run {number}  {describe(kill)}", flush=True)
                if kill is None:
                    break
                survived[f"{kill.target} {kill.signal}"] += 1
            finish(folder)
            differ = {path for path, content in outcomes(folder).items() if expected.get(path) != content}
            if differ or outcomes(folder).keys() != expected.keys() or leftovers(folder):
                raise SystemExit(f"run {number} differs: {sorted(differ)}, left behind: {leftovers(folder)}")
            print(f"run {number}  completed: {len(expected)} files with the same bytes", flush=True)
    print("survived: " + ", ".join(f"{count} {kind}" for kind, count in sorted(survived.items())))


def finish(folder: Path) -> None:
    """Run to the end; exit with the output of Snakemake if the run fails."""
    done = snakemake(folder)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-6000:])


if __name__ == "__main__":
    typer.run(main)
