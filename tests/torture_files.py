"""Damage files of a finished tiny run, one at a time, and run a step that reads them.

No damage may change a result without a word, end in a stack trace, or keep a step from ending.
make torture-files
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from damaging import HARMLESS, OUTCOMES, REFUSED, Try, Undamaged, steps_of
from step_server import Steps
from workflow_runs import make_run_folder, snakemake


def main(
    tries: Annotated[int, typer.Option(help="number of damaged files")] = 300,
    seed: Annotated[int, typer.Option(help="seed of steps, files and damages")] = 0,
    run: Annotated[Path | None, typer.Option(help="folder of a finished tiny run")] = None,
) -> None:
    """Print each try, and a table of outcomes by step; exit 1 unless all are harmless."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="rabbithole-torture-") as temporary, Steps() as server:
        if run is None:
            run = make_run_folder(Path(temporary, "run"))
            done = snakemake(run)
            if done.returncode:
                raise SystemExit(done.stdout[-2000:] + done.stderr[-6000:])
        steps = steps_of(run)
        names = sorted({step.name for step in steps})
        undamaged = Undamaged(run, Path(temporary, "copy"), server)
        results: list[Try] = []
        for number in range(tries):
            # By kind of step, so that the many figures do not crowd out the others.
            name = names[rng.integers(len(names))]
            of_name = [step for step in steps if step.name == name]
            result = undamaged.attempt(of_name[rng.integers(len(of_name))], rng)
            results.append(result)
            print(f"{number}: {result.step}, {result.damage} of {result.file}: {result.outcome}", flush=True)
            if result.outcome not in (REFUSED, HARMLESS):
                print("   " + "\n   ".join(result.message.splitlines()[-8:]), flush=True)
    print_table(results)
    if any(result.outcome not in (REFUSED, HARMLESS) for result in results):
        raise SystemExit(1)


def print_table(results: list[Try]) -> None:
    """Print the outcomes by step and by damage."""
    for attribute in ("step", "damage"):
        print(f"\n{attribute:22}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
        kinds = sorted({getattr(result, attribute) for result in results})
        for kind in [*kinds, "all"]:
            counts = Counter(
                result.outcome for result in results if kind in ("all", getattr(result, attribute))
            )
            print(f"{kind:22}" + "".join(f"{counts[outcome]:10}" for outcome in OUTCOMES))


if __name__ == "__main__":
    typer.run(main)
