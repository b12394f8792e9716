"""Exports a packaged model for other programs: ONNX or StableHLO, with the encoder as JSON."""

import shutil
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rabbithole.artifacts.serving import (
    BlendExportDescription,
    EstimatorExportDescription,
    ExportDescription,
)
from rabbithole.artifacts.training import BlendWeights, ModelDescription
from rabbithole.errors import UserError
from rabbithole.evaluation.score_sessions import MEMBERS
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import digests_of
from rabbithole.models.blend import WEIGHTS_FILE
from rabbithole.models.estimators import AGGREGATES_FILE
from rabbithole.models.estimators import RUNNING as RUNNING_FEATURE
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.models.registry import checkpoint_code
from rabbithole.serving.folder import CARD, ModelFolder
from rabbithole.serving.tables import require_replaceable
from rabbithole.training.checkpoints import read_description
from rabbithole.training.trainer import restored_network
from rabbithole.windows.encoder import ENCODER_FILE

DESCRIPTION = "export.json"

CHECKSUMS = "SHA256SUMS"
"""The sha256 of all other files, as the program sha256sum reads it."""

Format = Literal["onnx", "stablehlo"]


def export(folder: ModelFolder, format: Format, output: Path) -> None:
    """Write a model's program, its encoder (encoder.json), its description (export.json) and its model card.

    A network takes codes (int32 [sessions, steps, categorical fields]) and numbers (float32 [sessions,
    steps, numeric fields], NaN where missing) and returns logits (float32 [sessions, steps, 2]); sessions and
    steps are open. An estimator takes features (float32 [sessions, features], NaN where missing) and returns
    logits (float32 [sessions]); how its features follow from codes is in aggregates.json. A blend is the
    programs of its members in folders of their own, and their weights in export.json. Raises `UserError` for
    a model that the format cannot hold.
    """
    require_replaceable(output, DESCRIPTION)
    with atomic_write(output) as temporary:
        temporary.mkdir()
        _export_checkpoint(folder, folder.checkpoint, format, temporary)
        shutil.copyfile(folder.checkpoint / ENCODER_FILE, temporary / ENCODER_FILE)
        shutil.copyfile(folder.path / CARD, temporary / CARD)
        digests = digests_of(temporary)
        lines = [f"{digest}  {name}\n" for name, digest in digests.items()]
        (temporary / CHECKSUMS).write_text("".join(lines), "utf-8")


def _export_checkpoint(folder: ModelFolder, checkpoint: Path, format: Format, output: Path) -> None:
    """Write the program of a checkpoint, the model's own or that of a member, and its description."""
    description = read_description(checkpoint)
    if (checkpoint / MEMBERS).exists():
        _export_blend(folder, checkpoint, description, format, output)
    elif description.batch_size is None:
        _export_estimator(folder, checkpoint, description, format, output)
    else:
        _export_network(folder, checkpoint, description, format, output)


def _export_blend(
    folder: ModelFolder, checkpoint: Path, description: ModelDescription, format: Format, output: Path
) -> None:
    """Write the programs of a blend's members, and their weights."""
    weights = BlendWeights.read(checkpoint / WEIGHTS_FILE)
    for name in weights.ended:
        member = output / MEMBERS / name
        member.mkdir(parents=True)
        _export_checkpoint(folder, checkpoint / MEMBERS / name, format, member)
    assert description.calibration is not None
    BlendExportDescription(
        model=description.model,
        digest=folder.manifest.digest,
        ended=weights.ended,
        running=weights.running,
        calibration=description.calibration,
    ).write(output / DESCRIPTION)


def _export_network(
    folder: ModelFolder, checkpoint: Path, description: ModelDescription, format: Format, output: Path
) -> None:
    """Write a network and its description."""
    network, weights, table = restored_network(checkpoint)
    model = network.merge(weights, table)
    if format == "onnx":
        _write_onnx(description.model, model, output)
    else:
        (output / "model.stablehlo").write_bytes(_stablehlo(model, folder))
    assert description.calibration is not None
    ExportDescription(
        model=description.model,
        digest=folder.manifest.digest,
        categorical=list(description.fields.categorical),
        numeric=list(description.fields.numeric),
        length=description.length,
        history=description.history,
        minimum_steps=minimum_steps(model) if format == "stablehlo" else 1,
        ended_column=ENDED,
        running_column=RUNNING if description.prefixes else ENDED,
        calibration=description.calibration,
    ).write(output / DESCRIPTION)


def _export_estimator(
    folder: ModelFolder, checkpoint: Path, description: ModelDescription, format: Format, output: Path
) -> None:
    """Write an estimator of the package and its description."""
    if format != "onnx":
        raise UserError(
            f"{folder.path}: {description.model} is no network: use --format onnx. Its file of skops, "
            f"{checkpoint.relative_to(folder.path)}/model.skops, loads without Rabbithole."
        )
    model = checkpoint_code(checkpoint, description).model.load(checkpoint)
    _write_onnx(description.model, model, output)
    shutil.copyfile(checkpoint / AGGREGATES_FILE, output / AGGREGATES_FILE)
    assert description.calibration is not None
    EstimatorExportDescription(
        model=description.model,
        digest=folder.manifest.digest,
        features=model.names,
        running=RUNNING_FEATURE if model.prefixes else None,
        calibration=description.calibration,
    ).write(output / DESCRIPTION)


def _write_onnx(name: str, model: Any, output: Path) -> None:
    try:
        import onnx

        from rabbithole.serving.onnx_graph import WRITERS
    except ModuleNotFoundError as error:
        raise UserError(
            f"The export to ONNX needs {error.name}: install the extra, `pip install 'rabbithole[export]'`."
        ) from error
    if name not in WRITERS:
        raise UserError(
            f"{name} cannot be written as ONNX, only {', '.join(WRITERS)}. "
            "For another network, use --format stablehlo."
        )
    onnx.save(WRITERS[name](model), str(output / "model.onnx"))


def _stablehlo(model: Any, folder: ModelFolder) -> bytes:
    """Return the network as serialised StableHLO, by `jax.export`, for CPU and CUDA."""
    fields = folder.encoder.fitted.fields
    least = minimum_steps(model)
    sessions, steps = jax.export.symbolic_shape("sessions, steps", constraints=[f"steps >= {least}"])
    arguments = (
        jax.ShapeDtypeStruct((sessions, steps, len(fields.categorical)), jnp.int32),
        jax.ShapeDtypeStruct((sessions, steps, len(fields.numeric)), jnp.float32),
    )
    forward = jax.jit(lambda codes, numbers: model(codes, numbers))
    exported = jax.export.export(forward, platforms=["cpu", "cuda"])(*arguments)
    try:
        return bytes(exported.serialize())
    except ImportError as error:
        raise UserError(
            "The export to StableHLO needs flatbuffers: install the extra, "
            "`pip install 'rabbithole[export]'`."
        ) from error


def minimum_steps(model: Any) -> int:
    """Return the steps that a StableHLO program needs at least; shorter sessions are padded at the end."""
    return 2 + max(getattr(model, "step_lags", (0,)))
