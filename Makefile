# `make demo` and `make test` need python3 (3.11 or newer, with venv), git and make, and nothing else.
# Each makes its own .venv from a lock file with hashes; the second time that takes no time.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help venv demo test check bench format clean

help: ## Say what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.runtime ## A fleet to play with; needs no cluster
	@$(BIN)/fleetui demo $(ARGS)

test: $(VENV)/.dev check ## Every check and every test (ARGS='-k name' for some)
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## Format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@echo "checks: fine"

venv: $(VENV)/.dev ## The virtual environment alone, with everything for development

bench: $(VENV)/.dev ## Print the figures that the issues name
	@for bench in tests/bench/bench_*.py; do name=$$(basename $$bench .py); \
		echo "== $$name"; $(BIN)/python -m tests.bench.$$name; done

format: $(VENV)/.dev ## Format and mend what can be mended
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

clean: ## Remove what was made here
	@rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

# --- the virtual environments ---------------------------------------------------------------------------------------

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/.made
	@if [ ! -e $(VENV)/.dev ]; then $(call install,requirements/runtime.txt); fi
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.made
	@$(call install,requirements/dev.txt)
	@touch $@

$(VENV)/.made:
	@if [ -z "$(PYTHON)" ]; then echo "fleetui needs python3 3.11 or newer with its venv module (Debian: apt install python3-venv)" >&2; exit 1; fi
	@command -v git >/dev/null || { echo "fleetui needs git (Debian: apt install git)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The hashes and --only-binary see to it that nothing but what was tested is installed, and that nothing needs a compiler.
define install
echo "installing $(1) into $(VENV) (about a minute the first time)"; \
$(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --require-hashes --only-binary :all: -r $(1) \
| $(BIN)/python tools/progress.py $(1) \
|| { echo "the packages could not be installed: see above (a mirror or a proxy is set with pip config)" >&2; exit 1; }; \
$(BIN)/python tools/link.py \
&& $(BIN)/python -m compileall -q -j 0 fleetui screens backends
endef
