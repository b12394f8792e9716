"""From the events of any log to its report: what a log lacks is no field, and few buyers stop nothing."""

import dataclasses
import html
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest
from factories import BY_HASH, BY_TIME, NO_FIELDS, Row, event, train_spec

from rabbithole.artifacts.checks import LeakChecks
from rabbithole.artifacts.data import Fields, WindowsManifest
from rabbithole.artifacts.evaluation import Explanation, Metrics
from rabbithole.checks.leak_checks import check_leaks
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.explain import explain
from rabbithole.evaluation.score_sessions import score
from rabbithole.report.page import page
from rabbithole.specs.data import SessionsPurpose, SparkOptions
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.report import DatasetSources, FigureStyle, PageSpec
from rabbithole.specs.training import ExplainSpec, ResumeOptions, ScoreSpec
from rabbithole.training.train import train
from rabbithole.workflow.project import FIGURES

pytestmark = pytest.mark.spark

LENGTH = 4
BUYERS = SessionsPurpose(buyers=True, keep_open=False)
HOURS_OF_HALF_A_YEAR = 4000


@dataclasses.dataclass(frozen=True)
class Case:
    """A log and how it is read. fields: those that its windows have; text: parts of its report."""

    rows: list[Row]
    fields: Fields
    further: Fields = NO_FIELDS
    sessions: dict[str, Any] = dataclasses.field(default_factory=dict)
    models: tuple[str, ...] = ("gradient_boosting",)
    text: tuple[str, ...] = ()


CALENDAR = ("hour", "weekday", "month", "week")


def log(
    *,
    count: int = 240,
    hours: float = HOURS_OF_HALF_A_YEAR,
    kinds: tuple[str, ...] = ("view",),
    buys: Any = lambda number: number % 4 == 0,
    items: bool = True,
    **columns: Any,
) -> list[Row]:
    """Return sessions of one to five events, evenly over the hours; some end with a purchase.

    Buyers look at other items and pages than the rest do. buys: whether the session of a number buys;
    columns: further columns, as functions of a generator and of whether the session buys.
    """
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        begin, buyer = 60 * hours * number / count, buys(number)
        steps = int(rng.integers(1, 6))
        types = [*(kinds[int(rng.integers(len(kinds)))] for _ in range(steps)), *["transaction"] * buyer]
        for step, kind in enumerate(types):
            values = {name: draw(rng, buyer) for name, draw in columns.items()}
            item = str(int(rng.integers(6)) + 2 * buyer) if items else None
            # Dwell times differ from step to step.
            minute = begin + step * (1 + number % 3)
            rows.append(event(f"s{number:04}", minute, kind, visitor=None, item=item, **values))
    return rows


def two_ids(rows: list[Row]) -> list[Row]:
    """Give seven sessions in a row to the same visitor, who is not known at the first event of each."""
    seen: set[str] = set()
    for row in rows:
        if row["session_id"] in seen:
            row["visitor"] = f"v{int(row['session_id'][1:]) // 7}"
        seen.add(row["session_id"])
    return rows


def by_visitor(rows: list[Row]) -> list[Row]:
    """Let visitors come back, and their ids be the only ones."""
    for row in rows:
        row["session_id"] = row["visitor"] = f"v{int(row['session_id'][1:]) % 40}"
    return rows


def late_buyers(count: int) -> Any:
    """Return which sessions buy: every third of train and valid, and so many of the last ones."""
    return lambda number: number % 3 == 0 if number < 180 else number < 180 + count


NO_ITEMS = Fields(categorical=("event", *CALENDAR), numeric=("dwell",))
STANDARD = Fields(categorical=("event", "item", *CALENDAR), numeric=("dwell",))

CASES = {
    "pages without items": Case(
        log(items=False, kinds=("home", "list", "main page")), NO_ITEMS, models=("gru", "gradient_boosting")
    ),
    "views and purchases": Case(log(), STANDARD),
    "one day": Case(
        log(hours=24),
        Fields(categorical=("event", "item", "hour"), numeric=("dwell",)),
        sessions={"open_horizon_hours": None},
    ),
    "twelve event types": Case(log(kinds=tuple(f"type {n}" for n in range(11))), STANDARD),
    "brand and quantity": Case(
        log(
            brand=lambda rng, buyer: None if rng.random() < 0.2 else f"brand {rng.integers(3) + buyer}",
            quantity=lambda rng, buyer: float(rng.integers(-2, 3) + buyer),
        ),
        Fields(categorical=(*STANDARD.categorical, "brand"), numeric=("dwell", "quantity")),
        further=Fields(categorical=("brand",), numeric=("quantity",)),
        models=("gru", "gradient_boosting"),
        text=("brand (text) and quantity (numbers)", "An event's brand is that of its own line"),
    ),
    "visitors alone": Case(
        by_visitor(log()), STANDARD, sessions={"by": "visitor", "gap_minutes": 30.0, "split": BY_HASH}
    ),
    "visitors with a history": Case(
        by_visitor(log()),
        Fields(categorical=(*STANDARD.categorical, "sessions_ago"), numeric=STANDARD.numeric),
        sessions={"by": "visitor", "gap_minutes": 30.0, "split": BY_HASH, "history": LENGTH},
        models=("gru", "gradient_boosting"),
        text=(
            "of earlier sessions, at most the last 4 events of each visitor",
            "A visitor's earlier sessions ended before this one began",
        ),
    ),
    "sessions and visitors": Case(
        two_ids(log()), STANDARD, sessions={"split": BY_HASH}, text=("No visitor is in two splits",)
    ),
    "sessions and visitors by time": Case(
        two_ids(log()), STANDARD, sessions={"split": BY_TIME}, text=("1 visitor of the test split",)
    ),
    "no buyer in test": Case(
        log(buys=late_buyers(0)),
        STANDARD,
        text=("there is no AUC: no buyers in 59 sessions", "There are few buyers"),
    ),
    "one buyer in test": Case(
        log(buys=late_buyers(1)), STANDARD, text=("there is no AUC: 1 buyer in 59 sessions",)
    ),
    "two buyers in test": Case(
        log(buys=late_buyers(2)),
        STANDARD,
        text=("On shop, only 2 buyers of 59 test sessions are left",),
    ),
    "no buyer in valid": Case(log(buys=lambda n: n % 3 == 0 and not 120 <= n < 180), STANDARD),
}


def write_report(case: Case, folder: Path, spark: SparkOptions) -> str:
    """Take a log to its report and return the page."""
    factories.write_events(folder, case.rows, further=case.further, visitors=_visitors(case))
    sessions = factories.sessions_spec(**{"by": "session", "open_horizon_hours": 0.1} | case.sessions)
    factories.build(
        folder,
        spark,
        sessions=sessions,
        windows=factories.windows_spec(length=LENGTH, minimum_counts={"brand": 2}),
        purpose=BUYERS,
    )
    windows = folder / "windows"
    checks = folder / "checks.json"
    check_leaks(events=folder / "events", sessions=folder / "sessions", windows=windows, output=checks)
    runs = {f"{model} seed 0": folder / model for model in case.models}
    for model, run in zip(case.models, runs.values(), strict=True):
        run.mkdir()
        train(
            train_spec(model),
            windows=windows,
            output=run / "model",
            history=run / "history.json",
            code="",
            resume=ResumeOptions(folder=str(run / "resume"), minutes=5.0),
        )
        scores = run / "scores.parquet"
        score(ScoreSpec(steps=(1, 2)), checkpoint=run / "model", windows=windows, output=scores)
        costs = EvaluateSpec(contact_cost=1.0, sale_worth=20.0)
        evaluate(costs, scores=scores, output=run / "metrics.json")
        explain(
            ExplainSpec(seed=0),
            checkpoint=run / "model",
            history=run / "history.json",
            windows=windows,
            output=run / "explanation.json",
        )
    paths = {
        file: {name: run / file for name, run in runs.items()}
        for file in ("scores.parquet", "metrics.json", "history.json", "explanation.json")
    }
    compare_models(scores=paths["scores.parquet"], output=folder / "comparison.json")
    figures = {}
    for name in FIGURES:
        arguments: Any = {
            "lengths": {"sessions": folder / "sessions"},
            "learning": {"histories": paths["history.json"]},
            "importance": {"explanations": paths["explanation.json"]},
            "journeys": {"explanations": paths["explanation.json"]},
        }.get(name, {"metrics": paths["metrics.json"]})
        figures[name] = str(folder / f"{name}.svg")
        draw = getattr(import_module(f"rabbithole.report.figures.{name}"), name)
        draw(**arguments, output=Path(figures[name]), style=FigureStyle(width=6.4, font_size=10))

    def named(file: str) -> dict[str, str]:
        return {name: str(path) for name, path in paths[file].items()}

    sources = DatasetSources(
        simulated=False,
        **{name: str(folder / f"{name}.json") for name in ("events", "windows", "comparison")},
        sessions=[str(folder / "sessions.json")],
        metrics=named("metrics.json"),
        histories=named("history.json"),
        explanations=named("explanation.json"),
        checks=[str(checks)],
        published=None,
        figures=figures,
    )
    spec = PageSpec(title="Shop", datasets={"shop": sources}, next_events={}, alice=None, settings={})
    page(
        spec,
        benchmarks=folder / "none",
        versions={},
        output=folder / "index.html",
        summary=folder / "summary.txt",
    )
    return (folder / "index.html").read_text("utf-8")


def _visitors(case: Case) -> int | None:
    return len({row["visitor"] for row in case.rows} - {None}) or None


def visible_text(source: str) -> str:
    """Return the text of a page, of its figures too, with single spaces."""
    text = html.unescape(re.sub(r"<style.*?</style>|<[^>]*>", " ", source, flags=re.DOTALL))
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("name", CASES)
def test_a_log_gets_its_report(name: str, tmp_path: Path, spark: SparkOptions) -> None:
    case = CASES[name]
    text = visible_text(write_report(case, tmp_path, spark))
    assert WindowsManifest.of(tmp_path / "windows").fields == case.fields
    failing = [check for check in LeakChecks.read(tmp_path / "checks.json").checks if not check.holds]
    assert failing == []
    for model in case.models:
        fields = [row.field for row in Explanation.read(tmp_path / model / "explanation.json").fields]
        assert fields == list(case.fields.names)
        assert 0 <= Metrics.read(tmp_path / model / "metrics.json").log_loss < 5
    for part in case.text:
        assert part in text
    # "None" is a word of the checks.
    assert "None" not in text
    assert not re.search(r"\b(nan|inf|null)\b", text, re.IGNORECASE)
    for field, label in {"item": "item", "weekday": "day of week", "category": "category"}.items():
        assert field in case.fields.names or label not in text
