# `make` installs the environment and runs the whole workflow; `make help` lists the targets.
ACCELERATOR ?= cpu
# The first of these that is a Python 3.11, 3.12 or 3.13; the commands of pyenv exist without a Python behind them.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null && echo "$$python" && break; done)
BIN := .venv/bin
# A pipe fails if any of its commands does.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
CORES ?= all

.PHONY: run demo help environment java test test-fast torture torture-files cluster-faults fuzz bench bench-etl bench-train bench-predict bench-stream bench-serve audit check format lock schema reference docs \
  slurm slurm-plugin browser s3-server clean

# After Ctrl-C the shell ends well, as make would print an error below Snakemake's last line. Make itself still ends as
# interrupted, and runs nothing further.
QUIET_CTRL_C := trap 'exit 0' INT;
STOPPED_INSTALLATION := trap 'echo; echo "The installation was stopped. The same command continues it."; exit 0' INT;

run: environment  ## Install the environment and run the whole workflow.
	@$(QUIET_CTRL_C) RABBITHOLE_MAKE=1 $(BIN)/snakemake --cores $(CORES)
	@cat results/report/summary.txt

demo: environment  ## Install the environment and run a small simulated shop: results/demo/report/index.html.
	@$(QUIET_CTRL_C) $(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment: .venv/$(ACCELERATOR)  ## Install the environment (ACCELERATOR=cuda: with JAX for an NVIDIA GPU).

# The marker file is named after the accelerator, so that another one installs again. Python files are compiled on all
# cores: pip would use one.
.venv/$(ACCELERATOR): requirements/$(ACCELERATOR).txt pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "Rabbithole needs Python 3.11, 3.12 or 3.13, and none is on" \
	  "the PATH. If you have one elsewhere, name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the environment into .venv, once: about 0.8 GB to download, 2.6 GB on disk, 3 to 5 minutes."
	@$(STOPPED_INSTALLATION) $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-compile --require-hashes \
	  -r requirements/$(ACCELERATOR).txt 2> >(grep -v "^ *DEPRECATION" >&2) | awk -f requirements/show-pip.awk
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "  compiling Python files"
	-@$(STOPPED_INSTALLATION) $(BIN)/python -m compileall -qq -j 0 .venv/lib
	@echo "  preparing Spark"
	@$(STOPPED_INSTALLATION) $(BIN)/rabbithole java > /dev/null 2>&1 || $(MAKE) --no-print-directory java
	-@$(BIN)/rabbithole archive-spark 2> /dev/null
	@rm -f .venv/cpu .venv/cuda
	@touch $@

java:  ## Install a Java into the environment, for a machine that has none.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/java.txt

# The tests of a file run in one process, as they share fixtures. (xdist's groups have no effect under pytest 9.2.)
# Four processes on two cores: a third of the time, tests wait for a run, a cluster or a server.
test: environment java s3-server check  ## Check and run all tests (20 to 40 minutes on two cores).
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-fast: environment  ## Run the unit tests without Snakemake, Spark and Slurm (two minutes on two idle cores).
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not spark and not workflow and not slurm"

torture: environment  ## Kill runs at random moments, fifty times, and compare the results (17 to 30 minutes).
	$(BIN)/python tests/torture.py

torture-files: environment  ## Damage files of a tiny run, one at a time, and run the steps that read them (ten minutes).
	$(BIN)/python tests/torture_files.py

cluster-faults: environment  ## Let parts of a Spark cluster fail in each stage, and compare the results (10 to 20 minutes).
	$(BIN)/python tests/cluster_faults.py

FUZZ_SECONDS ?= 600
fuzz: environment  ## Read any bytes as logs, guided by coverage, until the first fault (Python 3.11, Linux; FUZZ_SECONDS).
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target .venv/fuzz \
	  -r requirements/fuzz.txt
	PYTHONPATH=.venv/fuzz $(BIN)/python tests/fuzz.py -max_total_time=$(FUZZ_SECONDS) -timeout=60 \
	  -rss_limit_mb=4096 -artifact_prefix=.venv/fuzz/

bench: environment  ## Run all benchmarks and write one table of their figures: bench/figures.md (two hours, 12 GB of disk).
	$(BIN)/python benchmarks/bench.py

SESSIONS ?= 9249729
bench-etl: .venv/benchmarks  ## Time the Spark steps at full size beside Polars and DuckDB (20 minutes, 12 GB of disk).
	$(BIN)/python benchmarks/bench_etl.py --sessions $(SESSIONS)

BATCHES ?= 1024
bench-train: .venv/benchmarks-train  ## Time the training beside PyTorch and Keras (BATCHES, ROUNDS).
	$(BIN)/python benchmarks/bench_train.py $(BATCHES:%=--batch-size %) $(ROUNDS:%=--rounds %)

bench-predict: environment  ## Time `predict` at full size beside the three Spark stages (SESSIONS; 12 minutes, 6 GB of disk).
	$(BIN)/snakemake --cores $(CORES) results/yoochoose/gru/seed-0/metrics.json results/yoochoose/model
	rm -rf bench/gru
	$(BIN)/rabbithole package results/yoochoose --model gru -o bench/gru
	$(BIN)/python benchmarks/bench_predict.py bench/gru --sessions $(SESSIONS)

EVENTS ?= 1000000
STREAM_LOG := ../shared/data/taobao/user_behavior_2h.csv
bench-stream: environment  ## Time `stream` on one core: events a second, latency, memory (EVENTS; 5 minutes, Linux).
	$(BIN)/snakemake --cores $(CORES) results/yoochoose/model
	$(BIN)/python benchmarks/bench_stream.py results/yoochoose gru dilated_conv --events $(EVENTS)
	if [ -e $(STREAM_LOG) ]; then $(BIN)/python benchmarks/bench_stream.py results/yoochoose gru dilated_conv \
	  --log $(STREAM_LOG) --format taobao; fi

bench-serve: .venv/benchmarks-serve  ## Load `serve` with Locust for a minute, and replace its model meanwhile (Linux).
	$(BIN)/snakemake --cores $(CORES) results/yoochoose/model
	PYTHONPATH=.venv/benchmarks-serve $(BIN)/python benchmarks/bench_serve.py results/yoochoose gru dilated_conv

# The benchmarks' rivals are installed beside the environment, not into it.
.venv/benchmarks .venv/benchmarks-train .venv/benchmarks-serve: .venv/%: requirements/%.txt | environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $@ -r $<
	touch $@

# pip-audit needs the index's list of vulnerabilities; without one it fails, after the list of parts is written.
audit: .venv/audit  ## List all parts of the environment with their licences (parts.json), and look for known holes.
	.venv/audit/bin/cyclonedx-py environment --output-format JSON --output-file parts.json $(BIN)/python
	.venv/audit/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes \
	  -r requirements/$(ACCELERATOR).txt

.venv/audit: requirements/audit.txt | environment
	$(BIN)/python -m venv --clear $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<

check: environment  ## Check format, lint, types, import contracts, rules and docs.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	PATH=$(BIN):"$$PATH" $(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint
	$(MAKE) --no-print-directory docs

format: environment  ## Format the code and fix what lint can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

schema: environment  ## Write the JSON schema of config.yaml, for editors.
	$(BIN)/rabbithole schema > workflow/schemas/config.schema.json

reference: environment  ## Write the generated pages of the docs, and the README's badges.
	$(BIN)/rabbithole config-reference > docs/reference/config.md
	$(BIN)/python docs/reference_pages.py

# Every warning is an error: a broken link or anchor, or a page that no table of contents lists.
docs: environment  ## Build the docs site: site/index.html.
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs site

# The plugin makes every snakemake command seconds slower, so it is not part of the environment.
slurm: environment  ## Install Snakemake's Slurm plugin, for `snakemake --workflow-profile slurm`.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/slurm.txt

slurm-plugin: environment  ## Install the Slurm plugin beside the environment, for the tests.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .venv/slurm-plugin \
	  -r requirements/slurm.txt

s3-server: .venv/s3  ## Install a server of S3 beside the environment, for the tests of `storage` (100 MB).

.venv/s3: requirements/s3.txt | environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $@ --upgrade -r $<
	@touch $@

browser: environment  ## Install the browser's client beside the environment, for the tests of the report (170 MB).
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .venv/browser -r requirements/browser.txt

# One lock serves every Python and platform of pyproject.toml: uv refuses a library without a wheel for one of them.
# Versions that a lock has stay, unless requirements/*.in asks for others. slurm.txt is kept by hand: it holds only what
# the others lack.
LOCKS := cpu cuda java benchmarks benchmarks-train benchmarks-serve browser s3 audit
lock: .venv/uv/bin/uv  ## Pin the dependencies of requirements/*.in with hashes (half a minute).
	cd requirements && for lock in $(LOCKS); do \
	  ../.venv/uv/bin/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --generate-hashes --universal --python-version 3.11 $$lock.in -o $$lock.txt || exit; done

# uv is installed beside the environment, as only `make lock` needs it.
.venv/uv/bin/uv:
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/python -m pip install --quiet uv==0.13.9

clean:  ## Remove all results.
	rm -rf results .snakemake
