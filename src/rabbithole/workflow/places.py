"""Where a project and its results are: found from the folder in which a command is given."""

from pathlib import Path

from rabbithole.errors import UserError

SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
"""Where Snakemake looks for a Snakefile."""

HISTORY = "runs.jsonl"
"""The history of runs, in the results folder."""


def find_snakefile(start: Path) -> tuple[Path, Path]:
    """Return the folder of the project that a folder belongs to, and its Snakefile.

    The project is the nearest folder upwards with a Snakefile. Elsewhere it is the folder itself, run by the
    checkout that the package is installed from. Raises `UserError` if there is neither.
    """
    if nearest := _nearest(start, SNAKEFILES):
        return nearest
    snakefile = Path(__file__).parents[3] / "Snakefile"
    if snakefile.is_file():
        return start, snakefile
    raise UserError(
        f"There is no Snakefile in {start} or above it: go to the folder of your project, or name it with "
        "--snakefile."
    )


def find_results(start: Path) -> Path:
    """Return the nearest results folder upwards that has a history of runs: a folder, or results/ in it.

    Without one, the only folder in results/ that has one, such as that of the demo. Raises
    `UserError` if there is none.
    """
    if nearest := _nearest(start, (HISTORY, f"results/{HISTORY}")):
        return nearest[1].parent
    below = sorted(start.glob(f"results/*/{HISTORY}"))
    if len(below) == 1:
        return below[0].parent
    raise UserError(
        f"There is no history of runs in {start}, its results/ or a folder above. The first finished run "
        "starts it. If your results are elsewhere, name their folder with --results."
    )


def _nearest(start: Path, names: tuple[str, ...]) -> tuple[Path, Path] | None:
    """Return the nearest folder upwards with one of these files, and the file."""
    places = ((folder, folder / name) for folder in (start, *start.parents) for name in names)
    return next(((folder, file) for folder, file in places if file.is_file()), None)
