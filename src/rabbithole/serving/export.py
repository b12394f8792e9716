"""Exports a packaged model for other programs: ONNX or StableHLO, with the encoder as JSON."""

import shutil
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rabbithole.artifacts.serving import ExportDescription
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.serving.folder import CARD, ModelFolder
from rabbithole.training.checkpoints import read_description
from rabbithole.training.score import MEMBERS
from rabbithole.training.trainer import restored_network
from rabbithole.windows.encoder import ENCODER_FILE

Format = Literal["onnx", "stablehlo"]


def export(folder: ModelFolder, format: Format, output: Path) -> None:
    """Write a network, its encoder (encoder.json), its description (export.json) and its model card.

    The network takes codes (int32 [sessions, steps, categorical fields]) and numbers (float32 [sessions,
    steps, numeric fields], NaN where missing) and returns logits (float32 [sessions, steps, 2]); sessions and
    steps are open. Raises `UserError` for a model that the format cannot hold.
    """
    description = read_description(folder.checkpoint)
    if members := sorted(path.name for path in folder.checkpoint.glob(f"{MEMBERS}/*")):
        raise UserError(
            f"{folder.path}: {description.model} combines {', '.join(members)} and cannot be exported as one "
            "program. Package a network by itself (`rabbithole package --model`) and export that."
        )
    if description.batch_size is None:
        raise UserError(
            f"{folder.path}: {description.model} is no network. Its file of skops, "
            f"{folder.checkpoint.name}/, loads without Rabbithole."
        )
    network, weights, table = restored_network(folder.checkpoint)
    model = network.merge(weights, table)
    with atomic_write(output) as temporary:
        temporary.mkdir()
        if format == "onnx":
            _write_onnx(description.model, model, temporary / "model.onnx")
        else:
            (temporary / "model.stablehlo").write_bytes(_stablehlo(model, folder))
        shutil.copyfile(folder.checkpoint / ENCODER_FILE, temporary / ENCODER_FILE)
        shutil.copyfile(folder.path / CARD, temporary / CARD)
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
        ).write(temporary / "export.json")


def _write_onnx(name: str, model: Any, path: Path) -> None:
    try:
        import onnx

        from rabbithole.serving.onnx_graph import WRITERS
    except ModuleNotFoundError as error:
        raise UserError(
            f"The export to ONNX needs {error.name}: install the extra, `pip install 'rabbithole[export]'`."
        ) from error
    if name not in WRITERS:
        known = " and ".join(WRITERS)
        raise UserError(f"Only {known} can be written as ONNX, not {name}: use --format stablehlo.")
    onnx.save(WRITERS[name](model), str(path))


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
