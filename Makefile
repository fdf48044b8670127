# `make` lists what there is. Everything lives in .venv, what the bench compares with in .venv-bench;
# nothing is installed elsewhere.

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

.PHONY: help install install-dev demo serve test simulate check test-crash test-failover soak bench bench-anniversary bench-profile \
  lock clean audit fuzz

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
	$(BIN)/python scripts/audit.py

audit: install-dev ## Look for known holes in dependencies and for secrets in files
	@$(BIN)/python scripts/audit.py

N ?= 200000
SEED ?= 1
fuzz: install-dev ## Send N mutated requests of SEED to a server of its own
	@$(BIN)/python -m tests.fuzz $(N) $(SEED)

KILLS ?= 120
test-crash: install-dev ## Kill servers and PostgreSQL KILLS times under load, and count again
	@$(BIN)/python -m tests.crash $(KILLS)

FAILOVERS ?= 10
test-failover: install-dev ## Lose the primary of a real cluster FAILOVERS times (Debian's patroni, etcd, haproxy)
	@$(BIN)/python -m tests.failover $(FAILOVERS)

MINUTES ?= 30
soak: .venv-bench/.installed ## Let clients work and clocks move for MINUTES; draws memory and latencies
	@.venv-bench/bin/python -m tests.soak $(MINUTES)

bench: .venv-bench/.installed $(if $(PEERS),.venv-bench/medusa/.installed) ## Measure speed beside what others allow (FULL=1, PEERS=1)
	@.venv-bench/bin/python -m bench

bench-anniversary: .venv-bench/.installed ## Measure the anniversary of a thousand customers
	@.venv-bench/bin/python -m bench.anniversary

bench-profile: .venv-bench/.installed ## Show where the time of an accepted order goes (as root, or ptrace allowed)
	@.venv-bench/bin/python -m bench.profile

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build -o requirements.lock
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build --group dev \
	  -c requirements.lock -o requirements-dev.lock
	PATH="$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml --group build --group dev --group bench \
	  -c requirements-dev.lock -o requirements-bench.lock

clean: ## Remove .venv, .venv-bench and the tools' caches; data stays
	@rm -rf .venv .venv-bench dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
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

.venv-bench/medusa/.installed: bench/peers/medusa/* | .venv-bench/.installed
	@echo "Installing Medusa, which takes minutes"
	@mkdir -p $(@D) && cp bench/peers/medusa/* $(@D)
	@cd $(@D) && npm install --no-audit --no-fund --loglevel=error
	@touch $@

# In a .venv of their own: some of the peers' libraries plug themselves into pytest.
.venv-bench/.installed: requirements-bench.lock pyproject.toml
	@echo "Making .venv-bench, with the peers to measure against"
	@$(PYTHON) -m venv .venv-bench
	@$(PIP:.venv/%=.venv-bench/%) install --require-hashes -r requirements-bench.lock | $(COUNT)
	@$(PIP:.venv/%=.venv-bench/%) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
