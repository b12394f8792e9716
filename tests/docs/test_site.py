"""The docs site builds without a warning and needs no network, and generated pages match the code."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from docs_pages import ROOT
from markdown_it import MarkdownIt

FAULTS = """# A page that no table of contents lists

[a page](gone.md), [an anchor](index.md#gone), ![an image](gone.png)
"""


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Return the module that generates pages and badges."""
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "docs/reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the docs in a folder as `make docs` does."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", "site"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the docs, and the package that they describe."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "src").symlink_to(ROOT / "src")
    return folder


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_the_network(copy: Path) -> None:
    run = build(copy)
    assert run.returncode == 0, run.stderr
    pages = list((copy / "site").rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']([^\"']+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=[\"']([^\"']+)", text)
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page
    for style in (copy / "site").rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text("utf-8")), style


@pytest.mark.slow
def test_a_broken_link_an_unlisted_page_or_a_missing_image_fails_the_build(copy: Path) -> None:
    faulty = copy / "docs/faulty.md"
    faulty.write_text(FAULTS, "utf-8")
    run = build(copy)
    faulty.unlink()
    assert run.returncode != 0
    for words in ("gone.md", "'gone'", "gone.png", "toctree"):
        assert [line for line in run.stderr.splitlines() if "faulty.md" in line and words in line], words


def test_generated_pages_are_up_to_date(generator: ModuleType) -> None:
    pages = {
        "reference/commands.md": generator.command_reference(),
        "reference/artifacts.md": generator.artifact_reference(),
        **{f"badges/{name}": text for name, text in generator.badges().items()},
    }
    for name, text in pages.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == text, f"docs/{name}: run `make reference`"


def test_the_badges_say_what_holds(generator: ModuleType) -> None:
    """The licence is that of LICENSE; the tests' version is the one that runs them in the gate."""
    badges = generator.badges()
    assert ">Apache-2.0<" in badges["licence.svg"]
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    assert ">3.11" in badges["python.svg"]
    assert ">Linux, Python 3.11<" in badges["tests.svg"]
    assert "python3.11" in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_links_of_pages_outside_the_site_lead_to_files(name: str) -> None:
    addresses = []
    for token in MarkdownIt().parse((ROOT / name).read_text("utf-8")):
        addresses += re.findall(r'\bsrc="([^"]+)"', token.content if token.type == "html_block" else "")
        addresses += [
            str(child.attrs[key])
            for child in token.children or []
            for key in ("href", "src")
            if key in child.attrs
        ]
    assert addresses
    for address in addresses:
        if not re.match(r"https?:|#", address):
            assert (ROOT / address.partition("#")[0]).exists(), f"{name}: {address}"
