"""The files that the docs let a reader write for a model of their own."""

from docs_pages import ROOT, blocks


def documented_files() -> dict[str, str]:
    """Return the files of the page on models, by name."""
    page = ROOT / "docs/how-to/add-a-model.md"
    return {block.file: block.text for block in blocks(page) if block.file}
