"""The leak checks hold for what the steps write, and name each leak that a test plants."""

import shutil
from pathlib import Path

import pytest
from factories import build, event, events_spec, sessions_spec, windows_spec, write_events
from planted_leaks import FURTHER, LEAKS, VISITS

from rabbithole.artifacts.base import Manifest
from rabbithole.artifacts.checks import LeakChecks
from rabbithole.artifacts.data import EventsManifest, Fields, SessionsManifest, WindowsManifest
from rabbithole.checks.leak_checks import check_leaks
from rabbithole.simulator.write import simulate
from rabbithole.specs.data import SimulateSpec, SparkOptions, SplitSpec

pytestmark = pytest.mark.spark

SHARES = (0.6, 0.2, 0.2)
BY_HASH = SplitSpec(by="hash", shares=SHARES)
SESSIONS = sessions_spec(open_horizon_hours=1.0, split=BY_HASH)

DATASETS = {
    "yoochoose": (
        "yoochoose",
        SESSIONS.model_copy(
            update={"by": "session", "cost": "purchases", "split": SplitSpec(by="time", shares=SHARES)}
        ),
        windows_spec(minimum_item_count=2),
    ),
    "retailrocket": ("retailrocket", SESSIONS, windows_spec(minimum_item_count=2)),
    # Predicted at the first cart, with two events or more, from event and item alone.
    "carts": (
        "retailrocket",
        SESSIONS.model_copy(update={"gap_minutes": 30.0, "until": "first_cart", "minimum_events": 2}),
        windows_spec(minimum_item_count=2, fields=("event", "item")),
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return a folder with events, sessions and windows of each data set."""
    folder = tmp_path_factory.mktemp("built")
    for name, (shop, sessions, windows) in DATASETS.items():
        raw, output = folder / f"raw-{name}", folder / name
        output.mkdir()
        simulate(SimulateSpec(shop=shop, sessions=3000, seed=0), output=raw)
        build(output, spark, events=events_spec(shop, raw), sessions=sessions, windows=windows)
    # The values of `close` differ by less than one per cent.
    rows = [
        event(f"{n:03}", 60 * n + step, brand=f"brand {n % 7}", weight=float(step), close=100 + (n % 7) / 20)
        | {"visitor": f"{n // 2}"}
        for n in range(200)
        for step in range(4)
    ]
    write_events(folder / FURTHER, rows, further=Fields(categorical=("brand",), numeric=("weight", "close")))
    visits = [
        event(f"{n:03}", 60 * n + 2000 * visit + step, kind, item=str(n % 5), brand=f"brand {n % 7}")
        for n in range(200)
        for visit in range(3)
        for step, kind in enumerate(["view"] * (1 + (n + visit) % 6) + ["transaction"] * (n % 3 == 0))
    ]
    write_events(folder / VISITS, visits, further=Fields(categorical=("brand",), numeric=()))
    with_history = SESSIONS.model_copy(update={"gap_minutes": 30.0, "history": 4})
    build(folder / VISITS, spark, sessions=with_history, windows=windows_spec(length=4))
    by_session = SESSIONS.model_copy(update={"by": "session"})
    build(folder / FURTHER, spark, sessions=by_session, windows=windows_spec())
    return folder


MANIFESTS: dict[type[Manifest], str] = {
    EventsManifest: "events",
    SessionsManifest: "sessions",
    WindowsManifest: "windows",
}


def failing(folder: Path) -> list[str]:
    """Return the names of the checks that do not hold."""
    output = folder / "checks.json"
    for kind, name in MANIFESTS.items():
        # The leaks are planted in files that would be refused as damaged.
        manifest = kind.read(folder / f"{name}.json")
        files = kind.files_of(folder / name)
        manifest.model_copy(update={"files": files}).write(folder / f"{name}.json")
    check_leaks(
        events=folder / "events", sessions=folder / "sessions", windows=folder / "windows", output=output
    )
    return [check.name for check in LeakChecks.read(output).checks if not check.holds]


@pytest.mark.parametrize("dataset", [*DATASETS, FURTHER, VISITS])
def test_every_check_holds_for_what_the_steps_write(dataset: str, built: Path) -> None:
    assert failing(built / dataset) == []


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_named(leak: str, built: Path, tmp_path: Path) -> None:
    dataset, plant, name = LEAKS[leak]
    shutil.copytree(built / dataset, tmp_path / "leaky")
    plant(tmp_path / "leaky")
    assert name in failing(tmp_path / "leaky")
