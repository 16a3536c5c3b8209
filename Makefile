# Every target sets up what it needs: .venv is built from requirements.lock on first use.
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
PYODIDE := docs/static/pyodide
READY := $(VENV)/.ready
KERNELS := $(VENV)/.kernels
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
unexport PYTHONDONTWRITEBYTECODE # many processes start, which read what the first has compiled

.DEFAULT_GOAL := help
.PHONY: help repro sweep systems parity portability portability-core test test-fast test-long test-backends test-services fuzz mutants check docs docs-live lines format bench bench-digests bench-growth bench-prediction bench-sweep engines exports lock sync ui clean clean-archive

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.git:
	@echo "DVC needs a git repository: run 'git init' here first, or clone one" >&2; exit 2

repro: .git $(KERNELS) ## run the main job: whatever is not up to date
	@! test -d .plainmlp/inputs || find -L .plainmlp/inputs -type l -delete # links to files that have gone stop DVC: compose says more
	@dvc repro
	@echo "metrics: dvc metrics show    figures: reports/figures    runs: make ui"

sweep: .git $(KERNELS) ## run the default grid search, and whatever it needs
	@dvc repro searches/dvc.yaml
	@echo "leaderboard: reports/sweep/leaderboard.md    figures: reports/sweep/figures    runs: make ui"

# Three processes on two cores, since many tests wait for a server, a disk or a signal.
PARALLEL := --dist loadscope --no-loadscope-reorder
test: $(KERNELS) ## run every test that needs nothing but .venv, without those of test-long
	@python -m pytest -n 3 $(PARALLEL) --durations=20 -m "not long and not backends and not services"

test-fast: $(KERNELS) ## run the tests that need no real pipelines
	@python -m pytest -n 2 $(PARALLEL) -m "not slow and not long and not backends and not services"

test-long: $(KERNELS) ## run the tests that go through whole pipelines in clones, stop servers, or kill processes at many moments
	@python -m pytest -n 3 $(PARALLEL) --durations=10 -m "long and not services"

fuzz: $(KERNELS) ## give 10,000 overrides and files that nobody should, in bounded memory and time
	@timeout 60m python -m pytest -n 2 -m fuzz --hypothesis-profile=fuzz --hypothesis-show-statistics

mutants: $(KERNELS) ## change the code of nn, proof and sweeps at random places; print what no test notices
	@python tests/support/mutants.py nn proof sweeps

test-backends: $(PEERS)/.ready $(KERNELS) ## run the tests of the other libraries, which are not in .venv
	@$(PEERS)/bin/python -m pytest tests/training/backends tests/benchmarks/test_certificate.py \
		tests/benchmarks/test_systems_timed.py

test-services: $(PEERS)/.ready $(KERNELS) ## run the tests with Slurm, Dask, joblib, chromium, PostgreSQL, SSH and S3, on this machine
	@python -m pytest -n 3 $(PARALLEL) --durations=10 -m services --ignore=tests/services
	@$(PEERS)/bin/python -m pytest -n 2 $(PARALLEL) tests/services

check: $(READY) ## lint, formatting, types
	@ruff check .
	@ruff format --check .
	@mypy
	@MYPYPATH=pipelines mypy pipelines
	@MYPYPATH=benchmarks mypy benchmarks
	@MYPYPATH=docs mypy docs/*.py

docs: $(KERNELS) ## build the site of docs/, docstrings and lessons, which it runs
	@python -m sphinx --quiet --fail-on-warning --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "site: docs/_build/html/index.html"

docs-live: $(PYODIDE)/.ready docs ## build the site with Pyodide in it, so that a network trains in the page on it
	@echo "open it from a server: python -m http.server -d docs/_build/html"

lines: $(READY) ## count the lines of src/ and pipelines/, and those of code, by folder
	@python benchmarks/lines.py

format: $(READY) ## format the code and mend what the linter can
	@ruff check --fix .
	@ruff format .

parity: $(PEERS)/.ready $(KERNELS) ## compare losses and gradients with PyTorch, TensorFlow, Keras and scikit-learn
	@$(PEERS)/bin/python benchmarks/parity.py
	@echo "table: docs/parity.md"

portability: $(KERNELS) ## compare every bit on AVX-512, AVX2, SSE and emulated 64-bit ARM
	@python benchmarks/portability.py

portability-core: $(KERNELS) ## a core of it: SSE, and the plain form on emulated 64-bit ARM
	@python benchmarks/portability.py --core

bench: $(PEERS)/.ready $(KERNELS) ## time a step beside PyTorch, scikit-learn, JAX and a plain loop; and scikit-learn's grid search
	@$(PEERS)/bin/python benchmarks/steps.py
	@$(PEERS)/bin/python benchmarks/estimators.py

exports: $(KERNELS) ## compare exported models in ONNX Runtime with predict, on every data set
	@python benchmarks/exports.py
	@echo "table: docs/exporting.md"

bench-digests: $(KERNELS) ## time what the digests of a training's states cost
	@python benchmarks/digests.py
	@echo "table: docs/performance.md"

bench-prediction: $(KERNELS) ## time the answer for one row, and what MLflow adds
	@python benchmarks/prediction.py
	@echo "table: docs/performance.md"

bench-sweep: $(KERNELS) ## time a grid of 240 points beside other ways to run it
	@python benchmarks/sweep.py

engines: $(KERNELS) ## run one grid under each engine and compare what it leaves; and time the parent's own work
	@python benchmarks/engines.py
	@python benchmarks/parent.py
	@echo "tables: docs/scaling.md"

bench-growth: $(KERNELS) ## measure time and memory from 10^4 to 10^7 rows, on 4 GB, and for 1,000 networks
	@python benchmarks/growth.py
	@echo "tables: docs/performance.md"

systems: $(PEERS)/.ready $(KERNELS) ## train the published systems, run their exercises, write docs/systems.md
	@$(PEERS)/bin/python benchmarks/systems.py

sync: $(READY) ## publish what was kept while MLflow could not be reached
	@python pipelines/sync.py

ui: $(READY) ## browse the runs of this checkout
	@mlflow ui

lock: $(READY) ## renew requirements.lock from pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra pipeline --group dev --upgrade --output-file requirements.lock pyproject.toml

clean: ## remove .venv and .venv-peers
	@rm -rf $(VENV) $(PEERS)

clean-archive: ## remove the trained points that sweeps keep; MLflow keeps their runs
	@rm -rf .plainmlp/archive

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "plainmlp needs Python 3.11 or newer: make PYTHON=python3.x")'
	@echo "setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Numba's kernels, compiled once for this processor, and again after a change of the core.
$(KERNELS): $(READY) $(wildcard src/plainmlp/nn/*.py src/plainmlp/nn/compiled/*.py)
	@echo "compiling the kernels (once; less than a minute)"
	@python -m plainmlp.nn.compiled
	@touch $(KERNELS)

# Python for browsers, and NumPy for it, which Pyodide's own loader fetches from where that is kept.
PYODIDE_VERSION := 314.0.3
FETCH_NUMPY := import { loadPyodide } from "./pyodide.mjs"; \
	await (await loadPyodide()).loadPackage("numpy", { messageCallback: () => {}, errorCallback: () => {} });
$(PYODIDE)/.ready: | $(READY)
	@command -v npm > /dev/null || { echo "docs-live needs Node.js and npm" >&2; exit 2; }
	@npm install --silent --no-save --prefix docs/_build/npm pyodide@$(PYODIDE_VERSION)
	@mkdir -p $(PYODIDE)
	@cd docs/_build/npm/node_modules/pyodide && cp pyodide.mjs pyodide.asm.mjs pyodide.asm.wasm pyodide-lock.json \
		python_stdlib.zip $(CURDIR)/$(PYODIDE)
	@cd $(PYODIDE) && node --input-type=module -e '$(FETCH_NUMPY)' > /dev/null 2>&1 || true
	@ls $(PYODIDE)/numpy-*.whl > /dev/null 2>&1 || python docs/pyodide_numpy.py $(PYODIDE) || { echo "NumPy for Pyodide" \
		"could not be fetched; put the wheel that pyodide-lock.json names into $(PYODIDE), and run this again" >&2; exit 2; }
	@touch $@

# The other libraries, as a group and the extras of pyproject.toml name them (of the pipeline .venv has all).
LIBRARIES := import sysconfig; print(sysconfig.get_path("purelib"))
EXTRAS := import tomllib; tables = tomllib.load(open("pyproject.toml", "rb")); \
	groups = tables["dependency-groups"]; \
	extras = tables["project"]["optional-dependencies"] | {"pipeline": groups["benchmark"] + groups["services"]}
$(PEERS)/.ready: $(READY)
	@echo "setting up $(PEERS) (once; several minutes)"
	@$(VENV)/bin/python -m venv $(PEERS)
	@$(VENV)/bin/python -c '$(LIBRARIES)' > "$$($(PEERS)/bin/python -c '$(LIBRARIES)')/libraries.pth"
	@$(PEERS)/bin/python -c '$(EXTRAS); print(*sorted(set(sum(extras.values(), []))), sep="\n")' > $(PEERS)/extras.txt
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(PEERS)/extras.txt
	@touch $@
