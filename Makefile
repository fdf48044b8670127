# `make` lists what there is. Everything lives in .venv; nothing is installed elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# One line instead of pip's hundreds, counting where somebody watches; errors go past it.
COUNT := { test -t 1 && live=1 || live=; awk -v live="$$live" ' \
  /^Collecting / { ++n; if (live) { printf "\r  %d packages", n; fflush() } } \
  /^Installing collected/ { if (live) { printf ", unpacking"; fflush() } } \
  END { if (n && live) print ""; else if (n) printf "  %d packages\n", n }'; }

.PHONY: help install install-dev demo serve test simulate check bench bench-anniversary lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.installed ## Install the service into .venv

install-dev: .venv/.installed-dev ## Install it with the tools of its developers

demo: install ## Show the service at work in a sandbox
	@$(BIN)/python scripts/demo.py

serve: install ## Start the service on port 8080
	@$(BIN)/seatledger serve

test: install-dev ## Run the tests
	@$(BIN)/pytest -n auto --dist worksteal

SEEDS ?= 10000
simulate: install-dev ## Live SEEDS random worlds and look at every invariant
	@$(BIN)/python -m tests.simulation $(SEEDS)

check: install-dev ## Lint, check formats, types, imports and what the tests prove
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python scripts/coverage_report.py --check

bench: install-dev ## Measure speed on this machine
	@$(BIN)/python bench/run.py

bench-anniversary: install-dev ## Measure the anniversary of a thousand customers
	@$(BIN)/python bench/anniversary.py

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build -o requirements.lock
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build --group dev \
	  -c requirements.lock -o requirements-dev.lock
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build --group dev --group bench \
	  -c requirements-dev.lock -o requirements-bench.lock

clean: ## Remove .venv and the tools' caches; data stays
	@rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@echo "Making .venv"
	@$(PYTHON) -m venv .venv

.venv/.installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Seatledger"
	@$(PIP) install --require-hashes -r requirements.lock | $(COUNT)
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	@echo "Installing the developers' tools"
	@$(PIP) install --require-hashes -r requirements-dev.lock | $(COUNT)
	@touch $@

.venv/.installed-bench: requirements-bench.lock .venv/.installed-dev
	@echo "Installing the peers to measure against"
	@$(PIP) install --require-hashes -r requirements-bench.lock | $(COUNT)
	@touch $@
