"""The fingerprint of a raw log depends on its content, not on its time of change."""

import os
from pathlib import Path

from rabbithole.workflow.project import fingerprint


def test_a_fingerprint_depends_on_the_content_and_not_on_the_time(tmp_path: Path) -> None:
    log, memory = tmp_path / "log.csv", tmp_path / "memory.json"
    log.write_text("a")
    before = fingerprint([log], memory)
    os.utime(log, (1, 1))
    assert fingerprint([log], memory) == before
    log.write_text("b")
    assert fingerprint([log], memory) != before
    memory.write_text("{broken")
    assert fingerprint([log], memory) != before
