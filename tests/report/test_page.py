"""The page and the summary of a finished run."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rabbithole.artifacts.checks import LeakChecks
from rabbithole.errors import UserError
from rabbithole.report.alice import alice_section
from rabbithole.report.page import page
from rabbithole.specs.report import PageSpec

TITLE = "Who <will> buy?"
FIGURES = ("roc", "early", "importance", "journeys")


class ParsedPage(HTMLParser):
    """Tags, links, ids and visible text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def write_page(spec: PageSpec, folder: Path) -> str:
    """Write the page and the summary into a folder, with one benchmark file, and return the page."""
    benchmark = folder / "benchmarks" / "train" / "simulated-gru-0.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\tmax_vms\n72.5\t0:01:12\tNA\t-\n", "utf-8")
    page(
        spec,
        benchmarks=folder / "benchmarks",
        versions={"jax": "0.10.2"},
        output=folder / "index.html",
        summary=folder / "summary.txt",
    )
    return (folder / "index.html").read_text("utf-8")


def visible_text(source: str) -> str:
    """Return the text of a page with single spaces."""
    return " ".join(ParsedPage(source).text.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture(scope="module")
def spec(run, draw, tmp_path_factory: pytest.TempPathFactory) -> PageSpec:
    """The page of the run, with some figures per data set."""
    folder, datasets = tmp_path_factory.mktemp("figures"), {}
    for name, sources in run.datasets.items():
        figures = {figure: str(folder / f"{name}-{figure}.svg") for figure in FIGURES}
        for figure, path in figures.items():
            draw(figure, sources, Path(path))
        datasets[name] = sources.model_copy(update={"figures": figures})
    settings = {"seed": 0, "note": "# <b>"}
    return PageSpec(title=TITLE, datasets=datasets, next_events={}, alice=run.alice, settings=settings)


@pytest.fixture(scope="module")
def folder(spec: PageSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the written page."""
    folder = tmp_path_factory.mktemp("page")
    write_page(spec, folder)
    return folder


@pytest.fixture(scope="module")
def source(folder: Path) -> str:
    return (folder / "index.html").read_text("utf-8")


def test_the_page_needs_no_other_file(source: str) -> None:
    parsed = ParsedPage(source)
    assert parsed.links
    assert all(link.startswith("#") for link in parsed.links)
    assert not parsed.tags & {"script", "link", "img", "iframe", "object"}
    assert not re.findall(r"@import|url\((?!#)", source)
    targets = {link.removeprefix("#") for link in parsed.links}
    assert targets <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))


def test_the_page_names_rejected_lines_without_their_text(source: str) -> None:
    assert "time is not a time" in source
    assert "4711" not in source


def test_texts_of_logs_and_models_are_escaped(run, source: str) -> None:
    parsed = ParsedPage(source)
    for text in (*run.unsafe, TITLE, "seed: 0\nnote: '# <b>'"):
        assert text not in source
        assert text in parsed.text
    assert html.escape(TITLE) in source


@pytest.mark.parametrize(
    "pattern",
    [
        r"On simulated, the best model is the GRU\. When a session has ended, it ranks a random "
        r"buyer above a random non-buyer \d\d % ",
        r"The best possible AUC on these simulated sessions is 0\.\d{3}",
        r"The GRU ranks better than gradient boosting: its AUC is higher by 0\.",
        r"± 0\.\d{3} over 2 seeds",
        r"A contact costs 1 and a sale is worth 20, so a contact pays if the probability .* 5\.0 %",
        r"The GRU relies on event \(0\.\d{3}\): the AUC falls by so much when the field comes from another",
        r"No other field alone makes a significant difference\.",
        r"4th to 5th",
        r"Single sessions, event by event",
        r"Only \d+ buyers in 401 test sessions",
        r"A leak check fails\. The second check fails: ",
        r"Missing optional files ?item properties",
        r"3 sessions without an event before the first purchase",
        r"5,011 kept; 109 at or after the first purchase removed",
        r"1,500 kept; excluded: 120 of open sessions, 3,391 before the last 100 of a session",
        r"Train or valid contains sessions of 17 visitors of the test split",
        r"While a session still runs, the model ranks buyers .* after 1 event [a-z ]+ "
        r"\(AUC 0\.\d{3} \[[^]]*\]\) and after ",
        r"Once a session has ended: fairly well\. ?0\.\d{3} ?AUC of ended sessions, 95",
        r"What it means .* The 5 % of ended sessions with the highest scores contain \d\d % of the buyers, "
        r"\d\.\d",
        r"If a contact costs 1 and a sale is worth 20, contacting the ended sessions that the model ",
        r"Of the 5 % of sessions with the highest scores, \d\d % buy; the others do not",
        r"Versions jax 0\.10\.2",
        r"The best network is the character GRU with 2\.10 bits",
        r"75 % of its words occur in the book",
        r"1 min 12 s",
    ],
)
def test_the_page_explains_the_results(source: str, pattern: str) -> None:
    assert re.search(pattern, visible_text(source))


def test_the_same_inputs_give_the_same_bytes(spec: PageSpec, source: str, tmp_path: Path) -> None:
    assert write_page(spec, tmp_path) == source


def test_the_summary_ends_with_the_path_of_the_report(folder: Path) -> None:
    lines = (folder / "summary.txt").read_text("utf-8").splitlines()
    assert lines[-1] == f"The report: {folder / 'index.html'}"
    assert any(re.match(r"[* ] GRU +AUC 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", line) for line in lines)
    # One model of each of the two data sets is the best.
    assert sum(line.startswith("* ") for line in lines) == 2
    assert any(
        line.startswith("  While a session still runs, the model ranks buyers above") for line in lines
    )
    assert max(map(len, lines[:-1])) < 80


def test_a_page_may_have_one_data_set_and_no_alice_and_no_times(run, tmp_path: Path) -> None:
    spec = PageSpec(
        title=TITLE, datasets={"real": run.datasets["real"]}, next_events={}, alice=None, settings={}
    )
    output = tmp_path / "index.html"
    page(spec, benchmarks=tmp_path / "none", versions={}, output=output, summary=tmp_path / "summary.txt")
    source = output.read_text("utf-8")
    assert "Time by rule" not in source
    assert 'id="alice"' not in source


def test_the_page_of_a_real_log_names_no_best_possible_score(run, tmp_path: Path) -> None:
    sources = {name: write_page(one_data_set(name, run), tmp_path / name) for name in run.datasets}
    assert "best possible" in visible_text(sources["simulated"])
    for text in (visible_text(sources["real"]), (tmp_path / "real" / "summary.txt").read_text("utf-8")):
        assert "best possible" not in text
        assert not re.search("(no|the) oracle", text, re.IGNORECASE)


def one_data_set(name: str, run: Any) -> PageSpec:
    """Return the spec of a page with one data set and nothing else."""
    return PageSpec(title=TITLE, datasets={name: run.datasets[name]}, next_events={}, alice=None, settings={})


def test_a_failing_leak_check_is_not_folded_away(run, tmp_path: Path) -> None:
    opening = r"<details class=\"part of-checks\"( open)?>"
    folds = {
        name: re.findall(opening, write_page(one_data_set(name, run), tmp_path / name))
        for name in run.datasets
    }
    assert folds == {"simulated": [""], "real": [" open"]}


def test_of_the_texts_of_alice_one_per_network_is_shown_and_the_rest_is_folded(run) -> None:
    section = alice_section(run.alice)
    assert section.shown is not None
    assert section.shown.temperature == 0.5
    assert [name for name, _ in section.shown.samples] == ["Deck network", "Character GRU"]
    assert [group.temperature for group in section.folded] == [1.0]


def test_a_damaged_artifact_is_refused_by_its_path(run, tmp_path: Path) -> None:
    LeakChecks(checks=[]).write(tmp_path / "metrics.json")
    sources = run.datasets["real"].model_copy(update={"metrics": {"mine": str(tmp_path / "metrics.json")}})
    spec = PageSpec(title=TITLE, datasets={"real": sources}, next_events={}, alice=None, settings={})
    with pytest.raises(UserError, match=r"metrics\.json is not a metrics"):
        page(spec, benchmarks=tmp_path, versions={}, output=tmp_path / "a", summary=tmp_path / "b")
    assert not (tmp_path / "a").exists()
