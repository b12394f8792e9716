"""Figures become a part of the page."""

import re
from pathlib import Path

from markupsafe import Markup

from rabbithole.errors import UserError


def inline(path: Path, prefix: str) -> Markup:
    """Return an SVG of ours as it stands within a page.

    `prefix` keeps its ids apart from those of other figures. Raises `UserError` if the file is no SVG.
    """
    text = path.read_text("utf-8")
    start = text.find("<svg")
    if start < 0:
        raise UserError(f"{path} is no SVG. Delete it and run again.")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", text[start:])
    return Markup(text.strip())
