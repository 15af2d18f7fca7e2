# Two commands do all the set-up: `make up` and `make test`. `make help` lists the others.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests bench deploy hatch_build.py
WEB := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
KERNELS := $(shell grep -rl "from fulltape.kernel import" src/fulltape 2>/dev/null)
ARGS ?=

# Pytest keeps the tests with their asserts made to speak; without that each process makes them anew, for 7 seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
ROOT := $(CURDIR)
.PHONY: help setup up test unit web integration e2e uncompiled fmt lint type golden conformance bench peers docs run-sim check lock clean

help:  ## show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / - /'

setup: $(VENV)/.installed  ## create .venv with every locked package and build the dashboard

$(VENV)/.packages: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fulltape needs Python 3.11 or newer: make PYTHON=python3.12")'
	@echo "Installing the locked packages into $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.packages pyproject.toml hatch_build.py $(WEB)
	@echo "Building the dashboard ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

# Numba would compile them in each test process that comes first: once is enough.
$(VENV)/.kernels: $(VENV)/.installed src/fulltape/kernel.py $(KERNELS)
	@echo "Compiling the kernels (once) ..."
	@$(BIN)/python -c 'from fulltape.cli.warmup import warm_up; from fulltape.engine.config import Config; warm_up(Config())'
	@touch $@

up: setup  ## start fulltape and say where to look (make up ARGS="--port 9000")
	@exec $(BIN)/fulltape up $(ARGS)

run-sim: setup  ## start fulltape on the simulated venue
	@exec $(BIN)/fulltape up --sim $(ARGS)

test: lint type unit web integration e2e  ## everything that proves it works

# A file stays with one process, so that what its tests share is made once.
unit: $(VENV)/.kernels  ## what speaks to nobody and runs no program, in less than a minute
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not integration and not golden and not e2e and not slow" $(ARGS)

integration: $(VENV)/.kernels
	$(BIN)/python -m pytest -n auto --dist loadfile -m "(integration or golden) and not e2e and not slow" $(ARGS)

web: setup
	cd web && PATH="$(ROOT)/$(BIN):$$PATH" npm run --silent check && PATH="$(ROOT)/$(BIN):$$PATH" npm test --silent

e2e: setup
	$(BIN)/python -m pytest -m "e2e or slow" $(ARGS)

uncompiled: setup  ## the operators and the golden replay with the kernels as plain Python
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest tests/operators -m "not slow and not e2e" $(ARGS)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m golden $(ARGS)

check: test uncompiled  ## what CI runs

fmt: setup  ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix --exit-zero $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

lint: setup  ## style, formatting and the floors of the architecture
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports

type: setup  ## mypy --strict
	$(BIN)/mypy
	$(BIN)/mypy tests

golden: setup  ## rewrite the golden expectations; read the diff
	$(BIN)/python -m pytest -m golden --rewrite-golden

conformance: setup  ## run every venue's numbered cases and write the table in docs/venues/README.md
	$(BIN)/python -m tests.conformance.report

bench: setup  ## measure every stage; peers that are installed are measured in the same run
	@$(BIN)/python -m bench

peers: setup  ## install the peers that the benches compare with
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/peers.txt

docs: setup  ## write docs/cli.md from the program
	$(BIN)/python -m typer fulltape.cli.main utils docs --name fulltape --output docs/cli.md

lock:  ## resolve the newest packages into requirements.lock (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-strip-extras --generate-hashes --no-emit-index-url \
	    --no-header --all-extras pyproject.toml --output-file requirements.lock

clean:  ## remove what was built, not what was recorded
	rm -rf $(VENV) build dist src/fulltape/web .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
