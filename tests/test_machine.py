"""The facts of the machine are those that the system reports."""

import platform
from pathlib import Path
from typing import Any

import psutil
import pytest

from rabbithole.machine import core_count, memory_bytes, processor_facts, processor_name


def test_cores_and_memory_are_those_that_this_process_may_use() -> None:
    assert core_count() == len(psutil.Process().cpu_affinity())
    assert memory_bytes() == psutil.virtual_memory().total


def test_a_system_that_names_no_processor_gives_its_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "processor : 1\nmodel name\t: Fast 9\nflags\t: b a\nmodel name\t: Fast 9\n"
    monkeypatch.setattr(Path, "read_text", lambda *_: lines)
    assert processor_facts() == ["flags\t: b a", "model name\t: Fast 9"]
    assert processor_name() == "Fast 9"

    def fail(*_: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert processor_facts() == [] and processor_name() == platform.machine()
