# Every target sets up what it needs: .venv is built from requirements.lock on first use.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help repro sweep systems test check format bench bench-digests bench-sweep lock sync ui clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

repro: $(READY) ## run the main job: whatever is not up to date
	@dvc repro evaluate
	@echo "metrics: dvc metrics show    figures: reports/figures    runs: make ui"

sweep: $(READY) ## run the default grid search, and whatever it needs
	@dvc repro sweep
	@echo "leaderboard: reports/sweep/leaderboard.md    figures: reports/sweep/figures    runs: make ui"

test: $(READY) ## run every test
	@python -m pytest -n 2 --dist loadscope

check: $(READY) ## lint, formatting, types
	@ruff check .
	@ruff format --check .
	@mypy

format: $(READY) ## format the code and mend what the linter can
	@ruff check --fix .
	@ruff format .

bench: $(READY) ## time the training of the mnist experiment
	@python benchmarks/training.py

bench-digests: $(READY) ## time what the hash chain of a training costs
	@python benchmarks/digests.py

bench-sweep: $(READY) ## time a grid of 240 points beside other ways to run it
	@python benchmarks/sweep.py

systems: $(READY) ## train the published systems and write docs/systems.md
	@python benchmarks/systems.py

sync: $(READY) ## publish what was kept while MLflow could not be reached
	@python pipelines/sync.py

ui: $(READY) ## browse the runs of this checkout
	@mlflow ui

lock: $(READY) ## renew requirements.lock from pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --group dev --upgrade --output-file requirements.lock pyproject.toml

clean: ## remove .venv
	@rm -rf $(VENV)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "plainmlp needs Python 3.11 or newer: make PYTHON=python3.x")'
	@echo "setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
