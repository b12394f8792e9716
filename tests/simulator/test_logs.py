"""Simulated raw files look as published, are the same for the same seed, and match the hidden truth."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import factories
import pandas as pd
import pyarrow.parquet as pq
import pytest

import rabbithole.simulator.chunks
from rabbithole.artifacts.data import EventsManifest
from rabbithole.errors import UserError
from rabbithole.simulator.shop import SimulatorParameters
from rabbithole.simulator.write import load_shop, simulate
from rabbithole.specs.data import SimulateSpec, SparkOptions, SplitSpec

RAW = {
    "yoochoose": {"yoochoose-clicks.dat", "yoochoose-buys.dat", "yoochoose-test.dat"},
    "retailrocket": {
        "events.csv",
        "item_properties_part1.csv",
        "item_properties_part2.csv",
        "category_tree.csv",
    },
}
MOMENT = r"2014-0[4-9]-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z"
CLICK = re.compile(rf"\d+,{MOMENT},\d{{9}},(0|S|[1-9]|1[0-2]|\d{{8,10}})")
BUY = re.compile(rf"\d+,{MOMENT},\d{{9}},\d+,\d+")
EVENT = re.compile(r"14[34]\d{10},\d+,(view,\d+,|addtocart,\d+,|transaction,\d+,\d+)")
PROPERTY = re.compile(r"14[34]\d{10},\d+,(categoryid,\d+|available,[01]|790,n\d+\.000|\d+,[n\d. ]+)")

Log = Callable[[str], Path]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Return a function from a format to the folder of its log, which is simulated once."""
    folders: dict[str, Path] = {}

    def simulated(format: str) -> Path:
        if format not in folders:
            folders[format] = tmp_path_factory.mktemp(format) / "raw"
            simulate(SimulateSpec(shop=format, sessions=12_000, seed=4), output=folders[format])
        return folders[format]

    return simulated


def lines(path: Path) -> list[str]:
    """Return a file's lines; the last one must be complete."""
    text = path.read_text("ascii")
    assert text.endswith("\n")
    assert "\r" not in text
    return text[:-1].split("\n")


def all_match(pattern: re.Pattern[str], rows: list[str]) -> bool:
    """Return whether the pattern matches each complete line."""
    return all(pattern.fullmatch(row) for row in rows)


def table(path: Path, *names: str) -> pd.DataFrame:
    """Read a file, with or without its header, as text."""
    return pd.read_csv(path, header=None if names else 0, names=list(names) or None, dtype=str)


@pytest.mark.parametrize("format", list(RAW))
def test_the_folder_holds_the_log_the_parameters_and_the_truth(format: str, log: Log) -> None:
    folder = log(format)
    parameters = SimulatorParameters.read(folder / "parameters.json")
    assert {path.name for path in folder.iterdir()} == RAW[format] | {
        "parameters.json",
        "items.parquet",
        "truth.parquet",
        "files.json",
    }
    assert (parameters.shop.format, parameters.sessions, parameters.seed) == (format, 12_000, 4)
    assert parameters.shop == load_shop(format).SHOP
    truth = pq.read_table(folder / "truth.parquet").to_pandas()
    assert truth["session_id"].nunique() == len(truth) == 12_000
    assert (truth["states"].map(len) == truth["events"]).all()


def test_yoochoose_is_written_as_published(log: Log) -> None:
    folder = log("yoochoose")
    assert all_match(CLICK, lines(folder / "yoochoose-clicks.dat"))
    assert all_match(CLICK, lines(folder / "yoochoose-test.dat"))
    assert all_match(BUY, lines(folder / "yoochoose-buys.dat"))

    clicks = table(folder / "yoochoose-clicks.dat", "session", "time", "item", "category")
    buys = table(folder / "yoochoose-buys.dat", "session", "time", "item", "price", "quantity")
    test = table(folder / "yoochoose-test.dat", "session", "time", "item", "category")
    assert clicks["time"].min() >= "2014-04-01T03:00:00"
    assert clicks["time"].max() < "2014-09-30T03:00:00"
    early = clicks["time"] < "2014-06-23"
    assert set(clicks["category"][early]) == {"0"}
    assert {"0", "S", *map(str, range(1, 13))} < set(clicks["category"][~early])
    assert clicks[~early].groupby("item")["category"].nunique().max() > 5
    assert not (set(test["session"]) & set(clicks["session"]))
    assert test["session"].nunique() == clicks["session"].nunique() / 4
    assert test["time"].min() < "2014-04-15"

    free = buys["price"] == "0"
    assert (free == (buys["quantity"] == "0")).all()
    assert 0.45 < free.mean() < 0.61
    assert not buys["session"].astype(int).is_monotonic_increasing
    pairs = set(zip(clicks["session"], clicks["item"], strict=True))
    assert any(pair not in pairs for pair in zip(buys["session"], buys["item"], strict=True))
    bought = buys.groupby("session")["time"].max()
    ends = clicks.groupby("session")["time"].max()
    assert (ends[bought.index] > bought).any()
    moments = pd.to_datetime(clicks["time"])
    waits = moments.groupby(clicks["session"]).diff()
    assert waits.min() >= pd.Timedelta(0)
    assert waits.max() > pd.Timedelta(hours=1)
    again = (clicks["item"] == clicks["item"].shift())[waits.notna()]
    assert 0.2 < again.mean() < 0.3


def test_retailrocket_is_written_as_published(log: Log) -> None:
    folder = log("retailrocket")
    head, *rows = lines(folder / "events.csv")
    assert head == "timestamp,visitorid,event,itemid,transactionid"
    assert all_match(EVENT, rows)
    events = table(folder / "events.csv")
    stamps = events["timestamp"].astype(int)
    assert not stamps.is_monotonic_increasing
    assert stamps.min() >= 1430622000000
    assert stamps.max() < 1442545200000
    assert 1 <= events.duplicated().sum() < 30
    once = events.drop_duplicates()
    baskets = once[once["event"] == "transaction"].groupby("transactionid")
    assert baskets.size().max() > 1
    assert (baskets[["visitorid", "timestamp"]].nunique() == 1).all(axis=None)

    properties = []
    for part in (1, 2):
        head, *rows = lines(folder / f"item_properties_part{part}.csv")
        assert head == "timestamp,itemid,property,value"
        assert all_match(PROPERTY, rows)
        properties.append(table(folder / f"item_properties_part{part}.csv"))
    known = pd.concat(properties)
    snapshots = {datetime.fromtimestamp(int(stamp) / 1000, UTC) for stamp in known["timestamp"].unique()}
    assert len(snapshots) == 18
    assert {(moment.isoweekday(), moment.hour, moment.minute) for moment in snapshots} == {(7, 3, 0)}
    assert (min(snapshots).date().isoformat(), max(snapshots).date().isoformat()) == (
        "2015-05-10",
        "2015-09-13",
    )
    assert stamps.min() < int(known["timestamp"].min())
    assert not known.duplicated(["timestamp", "itemid", "property"]).any()
    assert set(events["itemid"]) <= set(known["itemid"])

    tree = table(folder / "category_tree.csv")
    assert list(tree.columns) == ["categoryid", "parentid"]
    assert len(tree) == tree["categoryid"].nunique() == 1669
    assert tree["parentid"].isna().sum() == 25
    assert set(tree["parentid"].dropna()) <= set(tree["categoryid"])
    categories = known[known["property"] == "categoryid"]
    assert set(categories["value"]) <= set(tree["categoryid"])
    assert categories.groupby("itemid")["value"].nunique().max() == 2


@pytest.mark.parametrize("format", list(RAW))
def test_equal_seeds_give_equal_bytes(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Several chunks, so that one is drawn while another is written.
    monkeypatch.setattr(rabbithole.simulator.chunks, "SESSIONS_PER_CHUNK", 300)
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(SimulateSpec(shop=format, sessions=1000, seed=seed), output=tmp_path / name)
        digests.append(
            {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / name).iterdir()}
        )
    assert digests[0] == digests[1]
    assert all(digests[0][file] != digests[2][file] for file in digests[0])
    truth = pq.read_table(tmp_path / "a" / "truth.parquet")
    assert len(set(truth["session_id"].to_pylist())) == 1000


@pytest.mark.spark
@pytest.mark.parametrize("format", list(RAW))
def test_sessions_built_from_the_log_match_the_truth(
    format: str, log: Log, tmp_path: Path, spark: SparkOptions
) -> None:
    folder = log(format)
    factories.build(
        tmp_path,
        spark,
        events=factories.events_spec(format, folder),
        sessions=factories.sessions_spec(
            by="session" if format == "yoochoose" else "visitor",
            split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
            open_horizon_hours=1.0,
        ),
    )
    assert EventsManifest.of(tmp_path / "events").rejected == 0
    columns = ["session_id", "buyer", "events"]
    sessions = pq.read_table(tmp_path / "sessions", columns=columns).to_pandas()
    truth = pq.read_table(folder / "truth.parquet", columns=columns).to_pandas()
    pd.testing.assert_frame_equal(
        sessions.sort_values("session_id", ignore_index=True),
        truth.sort_values("session_id", ignore_index=True),
    )


def test_an_unknown_shop_and_an_empty_log_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'amazon'"):
        simulate(SimulateSpec(shop="amazon", sessions=10, seed=0), output=tmp_path / "raw")
    with pytest.raises(UserError, match="at least 1"):
        simulate(SimulateSpec(shop="yoochoose", sessions=0, seed=0), output=tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
