# `make` installs the environment and runs the whole workflow; `make help` lists the targets.
ACCELERATOR ?= cpu
PYTHON ?= python3.11
BIN := .venv/bin
CORES ?= all

.PHONY: run help environment java test test-fast torture bench-etl bench-train check format lock schema reference \
  slurm slurm-plugin browser clean

run: environment  ## Install the environment and run the whole workflow.
	RABBITHOLE_MAKE=1 $(BIN)/snakemake --cores $(CORES)
	@cat results/report/summary.txt

help:  ## List the targets.
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name words; do \
	  printf '%-14s %s\n' "$$name" "$$words"; done

environment: .venv/$(ACCELERATOR)  ## Install the environment (ACCELERATOR=cuda: with JAX for an NVIDIA GPU).

# The marker file is named after the accelerator, so that another one installs again. Python files are compiled on all
# cores: pip would use one.
.venv/$(ACCELERATOR): requirements/$(ACCELERATOR).txt pyproject.toml
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements/$(ACCELERATOR).txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -qq -j 0 .venv/lib
	$(BIN)/rabbithole java > /dev/null 2>&1 || $(MAKE) --no-print-directory java
	-$(BIN)/rabbithole archive-spark 2> /dev/null
	rm -f .venv/cpu .venv/cuda
	touch $@

java:  ## Install a Java into the environment, for a machine that has none.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/java.txt

# The tests of a file run in one process, as they share fixtures. (xdist's groups have no effect under pytest 9.2.)
test: environment java check  ## Check and run all tests (about a quarter of an hour on two cores).
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: environment  ## Run the unit tests without Snakemake, Spark and Slurm (under two minutes).
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not spark and not workflow and not slurm"

torture: environment  ## Kill runs at random moments, fifty times, and compare the results (17 to 30 minutes).
	$(BIN)/python tests/torture.py

SESSIONS ?= 9249729
bench-etl: .venv/benchmarks  ## Time the Spark steps at full size beside Polars and DuckDB (15 minutes, 6 GB of disk).
	$(BIN)/python benchmarks/bench_etl.py --sessions $(SESSIONS)

BATCHES ?= 1024
bench-train: .venv/benchmarks-train  ## Time the training beside PyTorch and Keras (BATCHES, ROUNDS).
	$(BIN)/python benchmarks/bench_train.py $(BATCHES:%=--batch-size %) $(ROUNDS:%=--rounds %)

# The benchmarks' rivals are installed beside the environment, not into it.
.venv/benchmarks .venv/benchmarks-train: .venv/%: requirements/%.txt | environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $@ -r $<
	touch $@

check: environment  ## Check format, lint, types, import contracts and rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	PATH=$(BIN):"$$PATH" $(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint

format: environment  ## Format the code and fix what lint can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

schema: environment  ## Write the JSON schema of config.yaml, for editors.
	$(BIN)/rabbithole schema > workflow/schemas/config.schema.json

reference: environment  ## Write the reference of config.yaml.
	$(BIN)/rabbithole config-reference > docs/reference/config.md

# The plugin makes every snakemake command seconds slower, so it is not part of the environment.
slurm: environment  ## Install Snakemake's Slurm plugin, for `snakemake --workflow-profile slurm`.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/slurm.txt

slurm-plugin: environment  ## Install the Slurm plugin beside the environment, for the tests.
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .venv/slurm-plugin \
	  -r requirements/slurm.txt

browser: environment  ## Install the browser's client beside the environment, for the tests of the report (170 MB).
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .venv/browser -r requirements/browser.txt

# slurm.txt is kept by hand: it holds only what the others lack.
lock:  ## Pin the dependencies of requirements/*.in with hashes (needs uv on the PATH).
	cd requirements && for a in cpu cuda java benchmarks benchmarks-train browser; do \
	  uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 $$a.in -o $$a.txt; done

clean:  ## Remove all results.
	rm -rf results .snakemake
