"""The page in headless Chromium: links, hostile names, a phone's width, accessibility and print."""

import importlib.util
import os
import shutil
import site
import unicodedata
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from factories import events_manifest

from rabbithole.artifacts.evaluation import Explanation
from rabbithole.report.page import page
from rabbithole.specs.report import DatasetSources, PageSpec
from rabbithole.workflow.project import FIGURES

pytestmark = pytest.mark.slow

CLIENT = Path(__file__).parents[2] / ".venv" / "browser"
"""Where `make browser` installs the client."""

MARKUP = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
QUOTES = "\"quoted' & $5$ <b>"
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}عربة التسوق"
LONG = "long" * 50
HOSTILE = (MARKUP, QUOTES, RIGHT_TO_LEFT, LONG, "_under\tscore")
A4 = {"width": 703, "height": 1047}
"""The printed area of A4 in CSS pixels, within margins of 12 and 10 mm."""

WIDTHS = (1280, 390)


def skip_reason() -> str | None:
    """Return why there is no browser, None if there is one."""
    if CLIENT.is_dir():
        site.addsitedir(str(CLIENT))
    if shutil.which("chromium") is None:
        return "needs Debian's chromium"
    missing = [name for name in ("playwright", "axe_playwright_python", "pypdf") if not find(name)]
    return f"needs `make browser` ({', '.join(missing)} missing)" if missing else None


def find(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. Skips without it, or fails if RABBITHOLE_REQUIRE_CHROMIUM=1."""
    if reason := skip_reason():
        if os.environ.get("RABBITHOLE_REQUIRE_CHROMIUM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(run, draw, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two pages of two data sets with all figures: `plain`, and `hostile` with names that need escaping."""
    return {
        "plain": write(run.datasets, run, draw, tmp_path_factory.mktemp("plain"), "Who will buy?"),
        "hostile": write(
            {LONG: hostile(run.datasets["simulated"], tmp_path_factory.mktemp("names"))},
            run,
            draw,
            tmp_path_factory.mktemp("hostile"),
            MARKUP,
        ),
    }


def write(
    datasets: dict[str, DatasetSources], run: Any, draw: Callable[..., str], folder: Path, title: str
) -> Path:
    """Draw all figures of some data sets, write the page and return its path."""
    shown = {}
    for number, (name, sources) in enumerate(datasets.items()):
        figures = {figure: str(folder / f"{number}-{figure}.svg") for figure in FIGURES}
        for figure, path in figures.items():
            draw(figure, sources, Path(path))
        shown[name] = sources.model_copy(update={"figures": figures})
    settings = {"note": MARKUP, "long": LONG}
    spec = PageSpec(title=title, datasets=shown, next_events={}, alice=run.alice, settings=settings)
    output = folder / "index.html"
    page(
        spec,
        benchmarks=folder / "none",
        versions={"JAX": "0.10.2"},
        output=output,
        summary=folder / "summary.txt",
    )
    return output


def hostile(sources: DatasetSources, folder: Path) -> DatasetSources:
    """Copy a data set's files, with hostile names of events, fields and files, and hostile rejected lines."""
    for copy, name in ((shutil.copytree, "sessions"), (shutil.copyfile, "sessions.json")):
        copy(Path(sources.events).with_name(name), folder / name)
    events_manifest(
        events=dict.fromkeys(HOSTILE, 1000),
        rejected_reasons=dict.fromkeys(HOSTILE, 1),
        rejected_examples=[
            {"file": LONG, "line": number, "reason": name, "text": name}
            for number, name in enumerate(HOSTILE)
        ],
        files_missing=[MARKUP],
    ).write(folder / "events.json")
    explanations = {}
    for number, (run, path) in enumerate(sources.explanations.items()):
        explanation = Explanation.read(Path(path))
        fields = [
            row.model_copy(update={"field": f"{name} {place}"})
            for place, (row, name) in enumerate(zip(explanation.fields, 2 * HOSTILE, strict=False))
        ]
        journeys = [
            journey.model_copy(
                update={"event": [HOSTILE[step % len(HOSTILE)] for step in range(len(journey.event))]}
            )
            for journey in explanation.journeys
        ]
        explanations[run] = folder / f"explanation-{number}.json"
        explanation.model_copy(update={"fields": fields, "journeys": journeys}).write(explanations[run])
    return sources.model_copy(
        update={
            "events": str(folder / "events.json"),
            "explanations": {run: str(path) for run, path in explanations.items()},
        }
    )


@pytest.fixture
def open_page(browser: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """A function that opens a page at a width. After the test, the browser must have reported nothing."""
    reports: list[str] = []
    contexts = []

    def open_page(name: str, width: int = 1280, *, scheme: str = "light", unfold: bool = True) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: reports.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: reports.append(f"error: {error}"))
        tab.on("request", lambda request: reports.append(f"request: {request.url}"))
        tab.goto(pages[name].as_uri())
        # The page itself is the only request.
        assert reports.pop(0) == f"request: {pages[name].as_uri()}"
        if unfold:
            tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert reports == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_every_link_of_the_contents_leads_to_visible_content(open_page, name: str, width: int) -> None:
    tab = open_page(name, width, unfold=False)
    nav = "nav.side" if width > 1000 else "nav.top"
    other = "nav.top" if width > 1000 else "nav.side"
    assert not tab.locator(other).is_visible()
    if nav == "nav.top":
        tab.locator("nav.top summary").click()
    links = tab.locator(f"{nav} a")
    anchors = [links.nth(number).get_attribute("href") for number in range(links.count())]
    assert len(anchors) > 10
    # All links of the page, those in texts too, lead somewhere.
    missing = (
        "all => all.map(a => a.getAttribute('href')).filter(href => !document.getElementById(href.slice(1)))"
    )
    assert tab.locator("a").evaluate_all(missing) == []
    for number, anchor in enumerate(anchors):
        links.nth(number).click()
        target = tab.locator(f"[id='{anchor[1:]}']")
        # Some parts are folded: the link unfolds them.
        assert target.is_visible(), anchor
        assert target.bounding_box()["y"] < 900, anchor


def test_hostile_names_stay_text(open_page) -> None:
    tab = open_page("hostile")
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("script, main img").count() == 0
    text = tab.locator("body").text_content()
    for name in HOSTILE:
        assert name in text
    assert tab.title() == MARKUP
    # In figures too, where long names are cut off.
    labels = " ".join(tab.locator("figure svg text").all_text_contents())
    assert "<script>" in labels
    assert "longlonglonglonglonglon\N{HORIZONTAL ELLIPSIS}" in labels
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in labels


@pytest.mark.parametrize("name", ["plain", "hostile"])
@pytest.mark.parametrize("width", [320, 390, 800, 1100, 1280])
def test_nothing_scrolls_sideways(open_page, name: str, width: int) -> None:
    tab = open_page(name, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert cut_off(tab) == []


def cut_off(tab: Any) -> list[str]:
    """Return the parts of the page that need scrolling to be seen, or that lie over their neighbour."""
    return tab.evaluate(
        """() => {
            const seen = each => each.offsetParent && !each.closest('thead, nav, .skip')
            const scrolls = each => each.scrollWidth > each.clientWidth + 1
            const wide = each => each.getBoundingClientRect().right
                > each.parentElement.getBoundingClientRect().right + 1
            const boxes = [...document.querySelectorAll('section, article, details, pre, div, dl, figure')]
            const tables = [...document.querySelectorAll('table')]
            return [...boxes.filter(seen).filter(scrolls), ...tables.filter(seen).filter(wide)]
                .map(each => each.outerHTML.slice(0, 90))
        }"""
    )


@pytest.mark.parametrize(
    ("name", "width", "scheme", "unfold"),
    [
        ("plain", 1280, "light", False),
        ("plain", 1280, "light", True),
        ("plain", 1280, "dark", True),
        ("plain", 390, "light", True),
        ("plain", 390, "dark", True),
        ("hostile", 390, "dark", True),
    ],
)
def test_axe_finds_no_violation(open_page, name: str, width: int, scheme: str, unfold: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(open_page(name, width, scheme=scheme, unfold=unfold)).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_the_keyboard_reaches_the_results_and_folds_sections(open_page) -> None:
    tab = open_page("plain", unfold=False)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the results"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#main"
    summary = tab.locator("details.part:not([open]) > summary").first
    summary.focus()
    closed = tab.locator("details.part:not([open])").count()
    tab.keyboard.press("Enter")
    assert tab.locator("details.part:not([open])").count() == closed - 1


def test_the_contents_stay_in_view_on_a_wide_screen(open_page) -> None:
    tab = open_page("plain")
    tab.evaluate("window.scrollTo(0, 3000)")
    assert tab.locator("nav.side").bounding_box()["y"] >= 0


def test_two_data_sets_print_on_at_most_twelve_pages_with_nothing_cut_off(open_page, pages) -> None:
    from pypdf import PdfReader

    assert pages["plain"].stat().st_size < 1_500_000
    tab = open_page("plain", unfold=False)
    printed = PdfReader(BytesIO(tab.pdf(prefer_css_page_size=True)))
    assert len(printed.pages) <= 12
    # Folded sections are printed too.
    text = " ".join(" ".join(sheet.extract_text() for sheet in printed.pages).split())
    # A ligature is one character in the PDF.
    text = unicodedata.normalize("NFKC", text)
    for words in (
        "Expected calibration error",
        "The first check holds",
        "Exact duplicates dropped",
        "Time zone",
    ):
        assert words in text
    tab.set_viewport_size(A4)
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    assert cut_off(tab) == []
