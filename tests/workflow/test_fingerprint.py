"""The fingerprint of a raw log depends on its content, not on its modification time."""

import os
from pathlib import Path

from rabbithole.workflow.project import fingerprint


def test_a_fingerprint_depends_on_the_content_and_not_on_the_modification_time(tmp_path: Path) -> None:
    log, cache = tmp_path / "log.csv", tmp_path / "cache.json"
    log.write_text("a")
    before = fingerprint([log], cache)
    os.utime(log, (1, 1))
    assert fingerprint([log], cache) == before
    log.write_text("b")
    assert fingerprint([log], cache) != before
    cache.write_text("{broken")
    assert fingerprint([log], cache) != before
