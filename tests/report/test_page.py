import html
import re
from html.parser import HTMLParser

import pytest

from rabbithole.report.card import left_out_facts
from rabbithole.report.figures.early import early
from rabbithole.report.figures.importance import importance
from rabbithole.report.figures.journeys import journeys
from rabbithole.report.figures.roc import roc
from rabbithole.report.page import page
from rabbithole.report.wording import GAP

STYLE = {"width": 6.4, "font_size": 10}
TITLE = "Who <will> buy?"


class Page(HTMLParser):
    """Tags, links, ids and visible text of a page."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.links, self.ids, self.text = set(), [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        self.text += data


def make(run, folder, **changes):
    """Draw some figures per data set and write the page of a finished run."""
    for name, dataset in run["datasets"].items():
        for draw in (roc, early):
            path = folder / f"{name}-{draw.__name__}.svg"
            draw(metrics=dataset["metrics"], output=path, style=STYLE)
            dataset["figures"][draw.__name__] = str(path)
        for draw in (importance, journeys):
            path = folder / f"{name}-{draw.__name__}.svg"
            draw(explanations=dataset["explanations"], output=path, style=STYLE)
            dataset["figures"][draw.__name__] = str(path)
    benchmark = folder / "benchmarks" / "train" / "simulated-gru-0.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text("s\th:m:s\tmax_rss\tmax_vms\n72.5\t0:01:12\tNA\t-\n")
    given = {
        "title": TITLE,
        "datasets": run["datasets"],
        "alice": run["alice"],
        "made": {
            "settings": "seed: 0 # <b>",
            "versions": {"jax": "0.10.2"},
            "benchmarks": folder / "benchmarks",
        },
        "output": folder / "index.html",
        "summary": folder / "summary.txt",
    }
    page(**(given | changes))
    return (folder / "index.html").read_text()


@pytest.fixture(scope="module")
def source(run, tmp_path_factory):
    return make(run, tmp_path_factory.mktemp("page"))


def test_page_needs_nothing_else(source):
    found = Page(source)
    assert found.links
    assert all(link.startswith("#") for link in found.links)
    assert not found.tags & {"script", "link", "img", "iframe", "object"}
    assert not re.findall(r"@import|url\((?!#)", source)
    targets = {link.removeprefix("#") for link in found.links}
    assert targets <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


def test_what_comes_from_logs_and_models_is_escaped(run, source):
    found = Page(source)
    for text in (*run["unsafe"], TITLE, "seed: 0 # <b>"):
        assert text not in source
        assert text in found.text
    assert html.escape(TITLE) in source


def test_page_says_what_the_figures_mean(source):
    text = " ".join(Page(source).text.replace("\N{NO-BREAK SPACE}", " ").split())
    assert re.search(
        r"On simulated the best model, the GRU, ranks a random buyer above a random non-buyer \d\d % ", text
    )
    assert re.search(r"The best that any model could do on these simulated sessions is 0\.\d{3}", text)
    assert "The GRU ranks better than gradient boosting: AUC higher by 0." in text
    assert re.search(r"± 0\.\d{3} over 2 seeds", text)
    assert (
        "At 1 per contact and 20 per sale, a contact pays where the probability of a sale is above 5.0 %"
        in text
    )
    assert re.search(r"The GRU leans on event \(0\.\d{3}\): so much AUC is lost when the field comes", text)
    assert "No other field shows by itself." in text
    assert "4th to 5th" in text
    assert "Single sessions, event by event" in text
    assert "nobody knows what real shoppers had in mind" in text
    assert re.search(r"Only \d+ buyers among 401 test sessions", text)
    assert "<dt>Missing optional files</dt><dd>item properties</dd>" in source
    assert "3 sessions without an event before the first purchase" in text
    assert "5,011 kept; 109 at or after a first purchase left out" in text
    assert "1,500 kept; left out: 120 of sessions still open, 3,391 before a session's last 100" in text
    assert "17 visitors of the test sessions also stand in train or valid" in text
    assert "75 % of its words are words of the book" in text
    assert "1 min 12 s" in text


def test_the_same_inputs_give_the_same_bytes(run, source, tmp_path):
    again = make(run, tmp_path)
    assert again == source


def test_summary_ends_with_the_place_of_the_report(run, tmp_path):
    make(run, tmp_path)
    lines = (tmp_path / "summary.txt").read_text().splitlines()
    assert lines[-1] == f"The report: {tmp_path / 'index.html'}"
    assert any(re.match(r"  GRU +AUC 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", line) for line in lines)
    assert max(map(len, lines[:-1])) <= 120


def test_page_of_one_data_set_without_alice_and_timings(run, tmp_path):
    made = {"settings": "", "versions": {}, "benchmarks": None}
    source = make(run, tmp_path, datasets={"real": run["datasets"]["real"]}, alice=None, made=made)
    assert "Time per rule" not in source
    assert 'id="alice"' not in source


def test_the_card_tells_what_the_settings_leave_out_and_the_share_of_buyers_with_it():
    """15 of 1,000 sessions are buyers; with 1,000 that have no cart, of which 185 buy, 10 % are."""
    facts = left_out_facts(
        {
            "sessions": 1000,
            "buyers": 15,
            "minimum_events": 3,
            "sample": 1.0,
            "left_out": {
                "without_cart": {"sessions": 1000, "buyers": 185, "events": 1400},
                "short": {"sessions": 1, "buyers": 0, "events": 2},
                "not_drawn": {"sessions": 0, "buyers": 0, "events": 0},
            },
        }
    )
    assert [(label, said.replace(GAP, " ")) for label, said in facts] == [
        (
            "Judged at the first cart",
            "1,000 sessions without one before a purchase left out (1,400 events); "
            "with them 10 % would be buyers",
        ),
        (
            "Of 3 events or more",
            "1 session of fewer than 3 events left out (2 events); with them 1.5 % would be buyers",
        ),
    ]
