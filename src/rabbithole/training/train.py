"""Trains one model on one data set, with the settings as they are or with those that valid chooses."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rabbithole.artifacts.data import WindowsManifest
from rabbithole.artifacts.training import CheckpointFiles, ModelDescription
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.parts import manifest_path
from rabbithole.models.registry import model_code
from rabbithole.specs.training import NetworkTraining, ResumeOptions, TrainSpec
from rabbithole.training.checkpoints import ResumeCheckpoints, settings_digest, write_description
from rabbithole.training.data import read_encoding
from rabbithole.training.fit import Fitted, fit_estimator, fit_network, tune
from rabbithole.training.mesh import is_primary, join_processes
from rabbithole.training.objective import objective_class

LOGGER = logging.getLogger("rabbithole")


def train(
    spec: TrainSpec,
    *,
    windows: Path,
    output: Path,
    history: Path,
    code: str,
    resume: ResumeOptions,
    file: Path | None = None,
) -> None:
    """Train a model; write it to the folder `output`, and its training history to `history`.

    With `spec.tune`, it is trained with several settings, and valid chooses (see `tune`).

    As several tasks of a Slurm step, a network's training shares the work, and the primary task writes. Only
    the `seconds` of the history depend on more than the arguments.

    A network's state is saved in `resume.folder` (see `ResumeCheckpoints`). A training that was killed
    continues from it when it is started again with the same spec, windows and `code` (any text that
    identifies the code's version).

    file: the user's own file with the model, None for a model of the package. Raises `UserError` when train
    or valid cannot be trained on, or when the file's model cannot be trained.
    """
    model = model_code(spec.model, spec.settings, file)
    if model.is_network:
        join_processes()
    elif spec.target != "buyer":
        raise UserError(f"{model.place}: an estimator supports the target `buyer` only, not {spec.target}.")
    elif not is_primary():
        # An estimator cannot share the work.
        return
    encoding = read_encoding(windows)
    objective = objective_class(spec.target).read(
        windows, encoding, balance=spec.balance, augmentation=spec.augmentation
    )
    manifest = WindowsManifest.read(manifest_path(windows)).model_dump(mode="json")
    log = partial(_log, f"{windows.parent.name} {spec.model}")
    states: list[ResumeCheckpoints] = []

    def fit(spec: TrainSpec, part: str) -> Fitted:
        if not model.is_network:
            estimator = model_code(spec.model, spec.settings, file)
            return fit_estimator(spec, estimator, objective, encoding, windows, log)
        digest = settings_digest(spec.to_json(), code, manifest)
        # Kept until the end: if the training is killed, finished trials of a search are not trained again.
        states.append(ResumeCheckpoints(Path(resume.folder) / digest, minutes=resume.minutes))
        return fit_network(spec, objective, encoding, states[-1], log, file, part)

    with _errors_at(model.place):
        if spec.tune is None:
            fitted, tuning = fit(spec, ""), None
        else:
            spec, fitted, tuning = tune(spec, spec.tune, fit, model.settings, log)
    if not is_primary():
        return
    description = ModelDescription(
        model=spec.model,
        settings=spec.settings,
        file=None if file is None else file.name,
        target=spec.target,
        outputs=objective.outputs,
        fields=encoding.fields,
        sizes=encoding.sizes,
        length=encoding.length,
        roots=encoding.roots,
        batch_size=spec.training.batch_size if isinstance(spec.training, NetworkTraining) else None,
        calibration=fitted.calibration,
        prefixes=spec.augmentation.prefixes,
        history=encoding.history,
    )
    with _errors_at(model.place), atomic_write(output) as folder:
        files = [windows / name for name in encoding.files]
        write_description(folder, description, files if file is None else [*files, file])
        fitted.save(folder)
        CheckpointFiles.seal(folder)
    fitted.history.model_copy(update={"tuning": tuning}).write(history)
    for state in states:
        state.remove()


@contextmanager
def _errors_at(place: str) -> Iterator[None]:
    """Let the messages of `UserError` say which model they are about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _log(name: str, text: str) -> None:
    """Log a line about one training; only the primary process logs."""
    if is_primary():
        LOGGER.info("%s: %s", name, text)
