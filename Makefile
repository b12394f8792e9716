# `make` makes the environment and runs the whole line; `make test` checks it.
ACCELERATOR ?= cpu
PYTHON ?= python3.11
BIN := .venv/bin
CORES ?= all

.PHONY: run environment java test torture bench-etl bench-train check format lock schema slurm slurm-plugin clean

run: environment
	RABBITHOLE_MAKE=1 $(BIN)/snakemake --cores $(CORES)
	@cat results/report/summary.txt

environment: .venv/$(ACCELERATOR)

# The marker is named after the accelerator, so that changing it installs again. All cores compile the libraries:
# pip would take one.
.venv/$(ACCELERATOR): requirements/$(ACCELERATOR).txt pyproject.toml
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements/$(ACCELERATOR).txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -qq -j 0 .venv/lib
	$(BIN)/rabbithole java > /dev/null 2>&1 || $(MAKE) --no-print-directory java
	-$(BIN)/rabbithole archive-spark 2> /dev/null
	rm -f .venv/cpu .venv/cuda
	touch $@

# A Java for a machine that has none; where there is one, it is used.
java:
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/java.txt

# A file's tests run in one process, as they share what is made once. (Groups of xdist do nothing under pytest 9.2.)
test: environment java check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Kills runs at random moments, fifty times (17 to 30 minutes).
torture: environment
	$(BIN)/python tests/torture.py

# Times the Spark stages at full size beside Polars and DuckDB (about a quarter of an hour, 6 GB of disk).
SESSIONS ?= 9249729
bench-etl: .venv/benchmarks
	$(BIN)/python benchmarks/bench_etl.py --sessions $(SESSIONS)

# Times the training of the networks beside PyTorch and Keras, with batches of these sizes, three times over or ROUNDS.
BATCHES ?= 1024
bench-train: .venv/benchmarks-train
	$(BIN)/python benchmarks/bench_train.py $(BATCHES:%=--batch-size %) $(ROUNDS:%=--rounds %)

# What the benchmarks compare with stands beside the environment, not in it.
.venv/benchmarks .venv/benchmarks-train: .venv/%: requirements/%.txt | environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $@ -r $<
	touch $@

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# Snakemake's Slurm plugin, for `snakemake --workflow-profile slurm`; with it every snakemake command starts
# seconds later, so the tests keep theirs beside the environment.
slurm: environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/slurm.txt

slurm-plugin: environment
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .venv/slurm-plugin \
	  -r requirements/slurm.txt

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# The JSON schema of config.yaml, for editors; a test holds it to the settings.
schema: environment
	$(BIN)/rabbithole schema > workflow/schemas/config.schema.json

# Pins what requirements/*.in ask for, with hashes (needs uv on the PATH); slurm.txt is kept by hand, as it holds
# only what the others lack.
lock:
	cd requirements && for a in cpu cuda java benchmarks benchmarks-train; do \
	  uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 $$a.in -o $$a.txt; done

clean:
	rm -rf results .snakemake
