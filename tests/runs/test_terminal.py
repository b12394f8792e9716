"""What a person sees of a run: the panel, errors, Ctrl-C, and lines where there is no terminal."""

import re
import shutil
from pathlib import Path

import yaml
from killing import leftovers
from pseudo_terminal import CTRL_C, Terminal
from workflow_runs import command, make_run_folder, snakemake

from rabbithole.artifacts.data import WindowsManifest

SCORES = "results/yoochoose/gru/seed-0/scores.parquet"
SNAKEMAKES_OWN = ("Traceback", "RuleException", "CalledProcessError", "WorkflowError", "set -euo pipefail")


def test_ctrl_c_ends_a_run_in_one_line_and_the_same_command_goes_on(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / "results/yoochoose/gru")
    arguments = [word for word in command(folder, SCORES, root=project) if word != "--nocolor"]
    terminal = Terminal(arguments, folder)
    status = terminal.run(CTRL_C, lambda screen: "Training gru" in screen)
    assert status != 0
    assert any("0 of 2 steps" in frame for frame in terminal.frames)
    last = terminal.frames[-1]
    assert last.count("Stopped: 0 of 2 steps done. The same command goes on from there.") == 1
    assert not any(words in last for words in (*SNAKEMAKES_OWN, "FAILED", "failed"))
    assert not (folder / SCORES).exists()
    assert terminal.run() == 0
    assert "✓ Training gru on yoochoose, seed 0" in terminal.frames[-1]
    assert any("epoch" in frame for frame in terminal.frames)
    assert (folder / SCORES).read_bytes() == (finished / SCORES).read_bytes()
    assert leftovers(folder) == []


def test_an_error_shows_what_where_and_the_log_in_few_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    (log / "yoochoose-clicks.dat").write_text("51,yesterday,5,0\n")
    config = tmp_path / "real.yaml"
    config.write_text(yaml.safe_dump({"datasets": {"yoochoose": {"source": str(log)}}}))
    folder = make_run_folder(tmp_path / "run")
    run = snakemake(folder, "results/yoochoose/events", config=config)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert re.search(r"^FAILED    Reading the raw log of yoochoose after \d+:\d\d$", output, re.MULTILINE)
    assert re.search(r"yoochoose-clicks\.dat:1: .*yesterday", output)
    assert "Log: " in output and "results/logs/events/yoochoose.log" in output
    assert output.rstrip().endswith("After the fix, the same command goes on from there.")
    assert not any(words in output for words in SNAKEMAKES_OWN)
    assert len(output.splitlines()) < 15


def test_a_crash_shows_the_end_of_its_log(finished: Path, project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / "results/yoochoose/gru")
    for path in (folder / "results/yoochoose/windows/train").iterdir():
        path.write_bytes(b"no Parquet")
    # With digests that fit, as a damaged file is refused in a sentence.
    manifest = WindowsManifest.read(folder / "results/yoochoose/windows.json")
    files = WindowsManifest.files_of(folder / "results/yoochoose/windows")
    manifest.model_copy(update={"files": files}).write(folder / "results/yoochoose/windows.json")
    run = snakemake(folder, SCORES, root=project)
    assert run.returncode == 1
    assert "Its log ends with:" in run.stderr
    assert "Parquet" in run.stderr
    assert "results/logs/train/yoochoose-gru-0.log" in run.stderr
    assert "RuleException" not in run.stderr
    assert len(run.stderr.splitlines()) < 25


def test_lines_without_a_terminal_are_short_and_plain(finished: Path, project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    (folder / "results/report/index.html").unlink()
    run = snakemake(folder, root=project)
    assert run.returncode == 0
    # Snakemake itself says first where its profile is.
    lines = run.stderr.splitlines()[1:]
    assert lines[:2] == ["1 step to run", "started   Writing the report"]
    assert re.fullmatch(r"finished  Writing the report \(\d:\d\d, 1 of 1\)", lines[2])
    assert lines[-1].endswith("results/report/index.html")
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in run.stdout + run.stderr


def test_the_message_for_a_target_after_a_config_file_says_where_it_belongs(tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path)
    taken = snakemake(folder, "--configfile", "leak_report", tiny=False)
    assert taken.returncode == 1
    assert "--configfile leak_report: there is no such file. If leak_report is a target" in taken.stderr
    missing = snakemake(folder, "--dry-run", "--configfile", "mine.yaml", tiny=False)
    # A dry run writes to the standard output, as Snakemake does.
    assert "--configfile mine.yaml: there is no such file." in missing.stdout
    for run in (taken, missing):
        assert not any(words in run.stdout + run.stderr for words in SNAKEMAKES_OWN)
        # One line besides Snakemake's own on its profile.
        assert len((run.stdout + run.stderr).splitlines()) == 2


def test_the_plan_in_a_terminal_is_a_line_for_each_step(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    (folder / "results/report/index.html").unlink()
    terminal = Terminal(command(folder, "--dry-run", root=project), folder)
    assert terminal.run() == 0
    plan = "  Writing the report\n1 step would run. `rabbithole why` says why."
    assert plan in terminal.frames[-1]
