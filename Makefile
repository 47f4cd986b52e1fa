# Rollcall's commands. `make` alone lists them.

VENV := .venv
ifeq ($(MAKECMDGOALS),test-fast) # with another Python, in a virtual environment of its own
VENV := .venv$(addprefix -,$(notdir $(PYTHON)))
endif
BIN := $(VENV)/bin
PORT ?= 8000
N ?= 10000
CORES := $(shell nproc 2>/dev/null || echo 2)
TESTS ?=

# Python keeps what it compiles, also where the machine says otherwise: half of the start of the tests is compiling them.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lowest lint format bench lock clean reset

help: ## Show this list
	@echo "Usage: make COMMAND [VARIABLE=value]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "The portal: 'make run', then open the address that it prints. Ctrl-C stops it; its data stays in var/."

run: $(VENV)/.run ## Start the portal with its demo (PORT=8000); everything it needs is installed first
	@PORT=$(PORT) $(BIN)/python -m config.embedded

# Where the tests wait for programs, a worker more uses the time.
test: JOBS ?= $(shell expr $(CORES) + 1)
test: $(VENV)/.dev ## Run the tests on real servers (TESTS=path, JOBS=3); missing servers come from Debian's packages
	@config/bin/servers
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --durations=30 $(TESTS)

test-fast lowest: JOBS ?= $(CORES)
test-fast: $(VENV)/.dev ## Run the quick tests, on PostgreSQL alone (PYTHON=python3.12, TESTS=path, JOBS=2)
	@config/bin/servers postgresql
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --fast $(TESTS)

lowest: .venv-lowest/.dev ## Run the fast tests on the lowest releases that pyproject.toml allows (JOBS=2)
	@config/bin/servers postgresql
	@.venv-lowest/bin/python -m pytest -n $(JOBS) --dist worksteal --fast -p no:cacheprovider

lint: $(VENV)/.dev ## Check style, types, import directions, settings and migrations
	@config/bin/lint

format: $(VENV)/.dev ## Rewrite the code in the house's format
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure imports, deliveries and SCIM on PostgreSQL (N=10000 users) and print tables
	@config/bin/servers
	@$(BIN)/python -m tests.bench $(N)
	@$(BIN)/python -m tests.bench.scim 1000 100000 $(N)

lock: $(VENV)/.run ## Resolve pyproject.toml into the lock files (UPGRADE=1: to the newest releases)
	@config/bin/lock $(if $(UPGRADE),--upgrade)

clean: ## Remove the virtual environment, collected static files and caches; the data in var/ stays
	rm -rf .venv .venv-* staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

reset: ## Remove the demo's data and secrets too (var/); the next run begins anew
	rm -rf var

$(VENV)/bin/python:
	@config/bin/venv $(VENV)

$(VENV)/.run: requirements.lock config/bin/install | $(VENV)/bin/python
	@echo "Installing Rollcall's dependencies (once)..."
	@config/bin/install $(BIN)/python requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock config/bin/install | $(VENV)/bin/python
	@echo "Installing the developers' dependencies (once)..."
	@config/bin/install $(BIN)/python requirements-dev.lock
	@touch $@ $(VENV)/.run

.venv-lowest/.dev: requirements-lowest.lock config/bin/install
	@config/bin/venv .venv-lowest
	@echo "Installing the lowest releases that pyproject.toml allows..."
	@config/bin/install .venv-lowest/bin/python requirements-lowest.lock
	@touch $@
