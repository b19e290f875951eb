# Every target sets up what it needs: Python 3.11 or later and make are enough.
#
#   make demo    start the server on the embedded model and stream two real answers
#   make serve   serve the API on 127.0.0.1:8000
#   make test    run every test
#   make check   format, lint, types, imports, tests, docs: what CI runs
#   make fix     repair what can be repaired

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := packages tests benchmarks examples

.PHONY: demo serve test check fix clients clean

demo: $(VENV)/ready
	@$(BIN)/python examples/demo.py

serve: $(VENV)/ready
	@$(BIN)/headrace serve

test: $(VENV)/ready-to-check
	$(BIN)/pytest

check: $(VENV)/ready-to-check
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/lint-imports
	$(MAKE) test

fix: $(VENV)/ready-to-check
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# PyPI's own clients, in an environment of their own: zai-sdk is imported by the same name as our SDK.
clients:
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install -q --disable-pip-version-check zai-sdk==0.2.3 openai==3.52.0

clean:
	rm -rf $(VENV) .venv-clients

# Running needs the packages; checking needs the tools as well. Made again when a version or a
# dependency changes.
$(VENV)/ready: constraints.txt $(wildcard packages/*/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) …"
	@$(PIP) install -c constraints.txt -e packages/headrace-tiny -e "packages/headrace[all]" -e packages/zai
	@touch $@

$(VENV)/ready-to-check: $(VENV)/ready
	@$(PIP) install -c constraints.txt -r tests/requirements.txt
	@touch $@
