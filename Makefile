# Every target sets up what it needs: Python 3.11 or later and make are enough.
#
#   make demo    start the server on the embedded model and stream two real answers
#   make serve   serve the API on 127.0.0.1:8000
#   make test    run every test
#   make check   format, lint, types, imports, tests, docs: what CI runs
#   make fix     repair what can be repaired
#   make sdk-alone   test the SDK in an environment without the server
#   make bench-relay   measure what relaying a stream costs, beside nginx and LiteLLM; options in BENCH=…

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUIETLY := --disable-pip-version-check --quiet
PIP := $(BIN)/python -m pip $(QUIETLY)
SDK := .venv-sdk/bin/python -m
SDK_TOOLS := blockbuster httpx hypothesis pytest pytest-asyncio pytest-timeout
SOURCES := packages tests benchmarks examples

.PHONY: demo serve test check coverage fix clients sdk-alone bench-relay clean

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
	$(BIN)/basedpyright -p tests/typing --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(MAKE) coverage
	$(MAKE) test

# The parser's tests go through every branch of it.
coverage: $(VENV)/ready-to-check
	$(BIN)/coverage run -m pytest --quiet tests/parsing tests/formats
	$(BIN)/coverage report --include='*/headrace/formats/*,*/headrace/parsing/*' --skip-covered --fail-under=100

fix: $(VENV)/ready-to-check
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# PyPI's own clients, in an environment of their own: zai-sdk is imported by the same name as our SDK.
clients:
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install -q --disable-pip-version-check zai-sdk==0.2.3 openai==3.54.0

# What `pip install headrace-zai` gives: nothing of the server is there, and the SDK's tests pass. The wheels
# are built anew, and from nothing: setuptools would pack what lies in build/ too. httpx is a caller's.
sdk-alone:
	rm -rf .venv-sdk packages/*/build
	$(PYTHON) -m venv .venv-sdk
	$(SDK) pip install $(QUIETLY) -c constraints.txt packages/headrace packages/zai
	rm -rf packages/*/build
	! $(SDK) pip show $(QUIETLY) aiohttp httptools jinja2 pydantic prometheus_client redis starlette uvicorn uvloop xllamacpp
	$(SDK) pip install $(QUIETLY) -c constraints.txt $(SDK_TOOLS)
	$(SDK) pytest tests/zai tests/wire tests/test_sse.py

# About half an hour; `make bench-relay BENCH=--quick` takes one. benchmarks/relay/README.md has the rest.
bench-relay: $(VENV)/ready
	@$(BIN)/python benchmarks/relay $(BENCH)

clean:
	rm -rf $(VENV) .venv-clients .venv-sdk build

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
