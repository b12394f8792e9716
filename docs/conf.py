"""Configuration of the docs site: Sphinx reads the Markdown pages with MyST and shows them with Furo.

`make docs` builds it into `site/`, with every warning as an error: a broken link or anchor, or a page that no
table of contents lists, fails the build. The built site loads nothing from the network.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from reference_pages import python_reference  # noqa: E402 - the folder is on the path only now

project = "Rabbithole"
author = "The Rabbithole authors"
extensions = ["myst_parser"]
nitpicky = True

# Headings get an anchor down to this level, by the rule that GitHub uses, so that links work in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# Plain quotes and dashes: `--cores` must stay as it is typed.
smartquotes = False

html_theme = "furo"
html_title = "Rabbithole"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_theme_options = {"footer_icons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def setup(app: Sphinx) -> None:
    """Write the reference of the Python API before Sphinx looks for pages; it follows the docstrings."""

    def write(app: Sphinx) -> None:  # noqa: ARG001 - Sphinx passes itself
        page, text = HERE / "reference/python.md", python_reference(HERE.parent / "src")
        # Sphinx reads a page again only if it is newer.
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")

    app.connect("builder-inited", write)
