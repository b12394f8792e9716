"""The panel that follows a run in a terminal."""

import io
import json
import sys
import time
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from rich.text import Text

from snakemake_logger_plugin_rabbithole import display
from snakemake_logger_plugin_rabbithole.display import PanelDisplay
from snakemake_logger_plugin_rabbithole.run import Job, Run


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_panel_fits_and_shows_words_progress_and_time(width: int, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False)
    run = Run()
    run.plan({"train": 4, "page": 1})
    job = Job(1, "train", "Training dilated_conv on retailrocket, seed 0", str(tmp_path / "log"), ["out"])
    run.start(job)
    assert job.progress_file is not None
    facts = {"label": "epoch 2 of 5", "done": 3000, "total": 9000, "unit": "sessions", "rate": 1234.5}
    job.progress_file.write_text(json.dumps(facts | {"whole": True}))
    with console.capture() as shown:
        console.print(PanelDisplay(console, run).render())
    lines = Text.from_ansi(shown.get()).plain.splitlines()
    text = "\n".join(lines)
    assert all(len(line) <= width for line in lines)
    assert "0 of 5 steps" in text
    assert "Training dil" in text and "epoch 2 of 5" in text
    if width > 60:
        assert "33 %, 1,234 sessions/s" in text or "33 %, 1,235 sessions/s" in text


def test_no_line_above_the_panel_is_lost_while_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "REFRESHES", 3000)
    output = io.StringIO()
    run = Run()
    panel = PanelDisplay(
        Console(file=output, width=80, height=24, force_terminal=True, legacy_windows=False), run
    )
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        panel.begin()
        for number in range(100):
            run.start(job := Job(number, "train", f"Training {number}", None, ["out"]))
            time.sleep(0.001)
            run.finish(number)
            panel.job_finished(job)
        panel.end("")
    finally:
        sys.setswitchinterval(interval)
    screen = pyte.Screen(80, 120)
    pyte.Stream(screen).feed(output.getvalue().replace("\n", "\r\n"))
    assert [line.split("  ")[0] for line in screen.display[:100]] == [f"✓ Training {n}" for n in range(100)]


def test_the_headline_is_the_last_thing_in_a_terminal() -> None:
    output = io.StringIO()
    panel = PanelDisplay(Console(file=output, force_terminal=True, legacy_windows=False), Run())
    panel.begin()
    panel.summary("AUC 0.8\nThe report: page.html\n")
    panel.end("")
    assert output.getvalue().endswith("The report: page.html\n")
