"""The workflow runs from a read-only checkout, as a module of another workflow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from workflow_runs import ROOT, TINY, make_run_folder, snakemake

OUTER = """
configfile: "{checkout}/config.yaml"


module rabbithole:
    snakefile:
        "{checkout}/Snakefile"
    config:
        config
    pathvars:
        results="out/shop",


use rule * from rabbithole as shop_*


rule mine:
    input:
        "out/shop/yoochoose/gradient_boosting/seed-0/metrics.json",
    output:
        "mine.json",
    shell:
        "cp {{input}} {{output}}"
"""

# Root may write to read-only folders unless it drops that capability.
AS_USER = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


def test_a_read_only_checkout_works_as_a_module_of_another_workflow(project: Path, tmp_path: Path) -> None:
    checkout, folder = tmp_path / "checkout", make_run_folder(tmp_path / "run")
    # Other tests use the project at the same time and leave bytecode in it.
    shutil.copytree(project, checkout, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a-w", str(checkout)], check=True)
    (folder / "Snakefile").write_text(OUTER.format(checkout=checkout))
    arguments = ["--cores", "2", "--configfile", str(checkout / TINY), "--", "mine.json"]
    done = subprocess.run(
        [*AS_USER, sys.executable, "-m", "snakemake", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=2400,
    )  # fmt: skip
    subprocess.run(["chmod", "-R", "u+w", str(checkout)], check=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert 0 <= json.loads((folder / "mine.json").read_text())["auc"]["value"] <= 1
    assert not (folder / "results").exists()
    assert not list(checkout.rglob("__pycache__")) and not (checkout / ".snakemake").exists()


def test_the_demo_leaves_the_results_of_other_runs_alone(project: Path, tmp_path: Path) -> None:
    demo = ROOT / "config/demo.yaml"
    summary = snakemake(tmp_path, "--summary", config=demo, root=project, tiny=False).stdout
    paths = [line.partition("\t")[0] for line in summary.splitlines() if "\t" in line][1:]
    assert "results/demo/report/index.html" in paths and "results/demo/demo-shop/events" in paths
    assert all(path.startswith("results/demo/") for path in paths)
    assert not any("alice" in path for path in paths)
