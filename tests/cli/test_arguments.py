"""What is wrong with a command as a whole, before it begins."""

import pytest

from rabbithole.cli import main


def test_a_name_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python hands on the bytes of such names as halves of characters, which Arrow does not take."""
    monkeypatch.setattr("sys.argv", ["rabbithole", "package", "results/shop", "-o", "caf\udce9"])
    with pytest.raises(SystemExit, match=r"Error: caf\\udce9 is no UTF-8"):
        main()
