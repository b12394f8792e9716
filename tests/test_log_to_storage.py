"""From a raw log to scores with the data in a storage: the same bytes as with the data on the disk."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import factories
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import CREDENTIALS, Fault, Proxy, needs_s3, s3_server
from stored_steps import SHOPS

from rabbithole.artifacts.base import Manifest
from rabbithole.artifacts.data import EventsManifest, RejectedManifest, SessionsManifest, WindowsManifest
from rabbithole.io.digests import WrittenFile, part_of
from rabbithole.io.parts import manifest_path
from rabbithole.io.tables import read_table
from rabbithole.specs.training import ResumeOptions, ScoreSpec

pytestmark = [pytest.mark.spark, pytest.mark.slow, needs_s3]

DATA: dict[str, type[Manifest]] = {
    "events": EventsManifest,
    "rejected": RejectedManifest,
    "sessions": SessionsManifest,
    "windows": WindowsManifest,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the data of the shops, in a storage that fails now and then; return the folder."""
    folder = tmp_path_factory.mktemp("shops")
    with s3_server() as proxy, pytest.MonkeyPatch.context() as patch:
        proxy.ask("PUT", "/bucket")
        proxy.fault = lambda _method, _path: now_and_then(proxy)
        for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": proxy.endpoint}).items():
            patch.setenv(name, value)
        run("tests/stored_steps.py", str(folder), "s3://bucket/shops")
        yield folder


def now_and_then(proxy: Proxy) -> Fault | None:
    """Return what befalls the last request: most are answered."""
    return {11: "busy", 23: "cut"}.get(len(proxy.requests) % 40)  # type: ignore[return-value]


def run(*arguments: str) -> str:
    """Run Python in the project and return what it prints."""
    root = Path(__file__).parents[1]
    # Where a Spark session of these tests runs, Python finds no module beside the script by itself.
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'tests'}"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=root, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(key in done.stdout + done.stderr for key in CREDENTIALS.values())
    return done.stdout


def by_part(files: dict[str, WrittenFile]) -> dict[str, WrittenFile]:
    """Return files by their names without the number of the attempt."""
    return {part_of(name): file for name, file in files.items()}


@pytest.mark.parametrize("shop", SHOPS)
def test_data_in_storage_are_those_on_the_disk(built: Path, shop: str) -> None:
    for name, kind in DATA.items():
        disk, stored = built / "disk" / shop / name, built / "stored" / shop / name
        expected, manifest = kind.read(manifest_path(disk)), kind.read(manifest_path(stored))
        assert manifest.storage == f"s3://bucket/shops/{shop}/{name}"
        assert by_part(manifest.files) == by_part(expected.files)
        assert manifest.model_copy(update={"storage": None, "files": expected.files}) == expected
        assert not [path for path in stored.rglob("*") if path.is_file()]
        with kind.on_this_machine(stored) as copy:
            assert kind.of(copy).files == manifest.files
    assert not any(key in manifest_path(stored).read_text() for key in CREDENTIALS.values())


def test_checks_training_and_scores_are_the_same(built: Path, tmp_path: Path) -> None:
    outputs = []
    for place in ("disk", "stored"):
        shop, output = built / place / "yoochoose", tmp_path / place
        data = {name: ["--" + name, str(shop / name)] for name in ("events", "sessions", "windows")}
        step = ["-m", "rabbithole", "step"]
        run(
            *step,
            "check-leaks",
            *(each for pair in data.values() for each in pair),
            "--output",
            f"{output}/checks.json",
        )
        training = ["--spec", factories.train_spec("gradient_boosting").to_json(), "--code", ""]
        training += ["--resume", ResumeOptions(folder=f"{output}/resume", minutes=1).to_json()]
        training += ["--output", f"{output}/checkpoint", "--history", f"{output}/history.json"]
        run(*step, "train", *training, *data["windows"])
        scoring = ["--spec", ScoreSpec(steps=(1, 2)).to_json(), "--checkpoint", f"{output}/checkpoint"]
        scoring += ["--output", f"{output}/scores.parquet", "--carts", f"{output}/carts.parquet"]
        scoring += ["--storage", "s3://bucket/shops/yoochoose/model"] * (place == "stored")
        run(*step, "score", *scoring, *data["windows"])
        tables = [read_table(output / name) for name in ("scores.parquet", "carts.parquet")]
        outputs.append([*tables, (output / "checks.json").read_bytes()])
        assert all(check["holds"] for check in json.loads((output / "checks.json").read_text())["checks"])
        with pytest.raises(pa.ArrowInvalid) if place == "stored" else nullcontext():
            pq.read_table(output / "scores.parquet")
    assert outputs[0] == outputs[1]
