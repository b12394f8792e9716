"""Figures within the page."""

import re
from pathlib import Path

from markupsafe import Markup

from rabbithole.errors import UserError


def inline_svg(path: Path, prefix: str) -> Markup:
    """Return a figure's SVG as a part of the page.

    `prefix` is put before its ids, as those of two figures may be equal. Raises `UserError` if the file is no
    SVG.
    """
    text = path.read_text("utf-8")
    start = text.find("<svg")
    if start < 0:
        raise UserError(f"{path} is no SVG. Delete it and run again.")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", text[start:])
    return Markup(text.strip())
