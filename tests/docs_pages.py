"""The blocks of code on a page of the docs: shell commands, and files that the reader is to write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs/tutorial.md"
PAGES = [TUTORIAL, *sorted((ROOT / "docs/how-to").glob("*.md")), ROOT / "README.md"]
"""The pages whose commands are run. The tutorial comes first, as other pages use its files."""

COMMENT = re.compile(r"^<!-- (?P<key>file|not run here): (?P<value>.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block. The comment before it gives file (where it is saved) or reason (why it is not run)."""

    language: str
    text: str
    line: int
    file: str | None = None
    reason: str | None = None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order. A comment counts for the block that follows it at once."""
    before = None
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            before = COMMENT.match(token.content.strip())
        elif token.type in ("fence", "code_block"):
            key, value = (before["key"], before["value"]) if before else (None, None)
            yield Block(
                language=token.info.strip() if token.type == "fence" else "indented",
                text=token.content,
                line=(token.map or [0])[0] + 1,
                file=value if key == "file" else None,
                reason=value if key == "not run here" else None,
            )
            before = None
        elif token.type not in ("list_item_close", "paragraph_close"):
            before = None
