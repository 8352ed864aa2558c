# `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Files of tests side by side, two for each processor, for they often wait for a program that they
# started. In their own order: xdist would have those of few tests last, and these are the longest.
PARALLEL := --numprocesses=$(shell expr 2 \* $$(nproc)) --dist=loadfile --no-loadscope-reorder
# What needs no other program, and little but the processor.
PURE := tests/config tests/domain tests/ingest tests/metrics/test_exposition.py \
  --ignore=tests/config/test_docs.py --ignore=tests/ingest/test_life.py

# Tests start hundreds of processes from this checkout: what one has compiled, the others load.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready ## Everything Python needs, in .venv (PYTHON=... chooses the interpreter)

.venv/.ready: pyproject.toml constraints.txt scripts/create_venv.sh
	@scripts/create_venv.sh dev

# What runs, without what tests; `make setup` makes it up to date as well.
.venv/.runs: pyproject.toml constraints.txt scripts/create_venv.sh
	@scripts/create_venv.sh

.PHONY: system
system: ## The programs that tests run against (Prometheus, Chromium, ...), where root may install
	@scripts/install_test_packages.sh

.PHONY: demo
demo: .venv/.runs ## The exporter against a fake KPIggybank; prints the addresses to open
	@$(BIN)/kpi-exporter demo

.PHONY: test
test: setup system ## All checks, and all tests but the slow ones
	@$(MAKE) --no-print-directory --jobs=2 types lint imports unit

.PHONY: coverage
coverage: setup ## Which lines and branches the tests of `make test` miss, daemons included
	@$(BIN)/pytest -m "not slow" --cov $(PARALLEL)

.PHONY: test-slow
test-slow: setup system ## The tests that take long, or depend on speed or chance
	@$(BIN)/pytest -m slow $(PARALLEL)

.PHONY: unit
unit: setup ## The tests of `make test` alone, with what is installed
	@$(BIN)/pytest -m "not slow" $(PARALLEL)

.PHONY: quick
quick: setup ## The unit tests of what needs no other program, in seconds
	@$(BIN)/pytest -m "not slow" $(PARALLEL) $(PURE)

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lint
lint: setup ## Formatting, lint rules, dead code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/vulture

.PHONY: types
types: setup ## Types, strictly
	@$(BIN)/mypy .

.PHONY: imports
imports: setup ## Who may import whom
	@$(BIN)/lint-imports --no-logo

.PHONY: bench
bench: setup ## Measure against the floors of docs/performance.md
	@$(BIN)/python -m benchmarks

.PHONY: faults
faults: setup ## Meet every fault of docs/reliability.md and print the matrix, some ten minutes
	@$(BIN)/python -m simulations.faults

.PHONY: soak
soak: setup ## A month of simulated time with random faults, some seven minutes
	@$(BIN)/python -m simulations.soak

.PHONY: docs
docs: setup ## Write the generated parts of docs/
	@$(BIN)/python -m docs

.PHONY: docker-test
docker-test: setup ## The image built, the Compose stack brought up and broken, as far as this machine can
	@$(BIN)/python deploy/docker/test_stack.py

.PHONY: compose-secrets
compose-secrets: ## Random secrets for docker compose, in ./secrets
	@deploy/docker/make_secrets.sh

.PHONY: rules
rules: setup ## Write prometheus/rules from prometheus/source, and Kubernetes' PrometheusRule
	@$(BIN)/python prometheus/generate.py

.PHONY: dashboards
dashboards: setup ## Write grafana/dashboards from grafana/source
	@$(BIN)/python -m grafana.generate
