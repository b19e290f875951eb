# Every target sets up what it needs in .venv; the README says what the system must have.
#
#   make demo    start the server on the embedded model and stream two real answers
#   make serve   serve the API on 127.0.0.1:8000
#   make test    run every test, or some: make test TESTS=tests/cli
#   make check   format, lint, types, imports, tests, docs: what CI runs
#   make fix     repair what can be repaired
#   make sdk-alone   test the SDK in an environment without the server
#   make bench-relay   measure what relaying a stream costs, beside nginx and LiteLLM; options in BENCH=…
#   make clean   remove what was set up
#
# PYTHON=python3.12 names the Python to set up with, VENV=directory another place than .venv.

VENV := .venv
BIN := $(VENV)/bin
# The Python to set up with. An environment that is there keeps its own, unless another is named.
PYTHON ?= $(shell $(BIN)/python -c "" 2>/dev/null && echo $(BIN)/python || echo python3)
PRODUCT := --editable=packages/headrace-tiny --editable=packages/headrace[all] --editable=packages/zai
SDK := .venv-sdk/bin/python -m
SDK_TOOLS := blockbuster httpx hypothesis pytest pytest-asyncio pytest-timeout trustme
SOURCES := packages tests benchmarks examples scripts .ci

.PHONY: demo serve test check coverage fix clients sdk-alone bench-relay clean python ready ready-to-check

demo: ready
	@$(BIN)/python examples/demo.py

serve: ready
	@$(BIN)/headrace serve

test: ready-to-check
	$(BIN)/pytest $(TESTS)

check: ready-to-check
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/basedpyright -p tests/typing --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(MAKE) coverage
	$(MAKE) test

# The parser's tests go through every branch of it.
coverage: ready-to-check
	$(BIN)/coverage run -m pytest --quiet tests/parsing tests/formats
	$(BIN)/coverage report --include='*/headrace/formats/*,*/headrace/parsing/*' --skip-covered --fail-under=100

fix: ready-to-check
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/python packages/zai/generate_sync.py
	$(BIN)/python docs/draw.py

# PyPI's own clients, in an environment of their own: zai-sdk is imported by the same name as our SDK.
clients: python
	@$(PYTHON) scripts/set_up.py .venv-clients zai-sdk==0.2.3 openai==3.54.0

# What `pip install headrace-zai` gives: nothing of the server is there, and the SDK's tests pass. The wheels
# are built anew, and from nothing: setuptools would pack what lies in build/ too. httpx is a caller's.
sdk-alone: python
	rm -rf .venv-sdk packages/*/build
	$(PYTHON) scripts/set_up.py .venv-sdk packages/headrace packages/zai
	rm -rf packages/*/build
	! $(SDK) pip show --quiet aiohttp httptools jinja2 pydantic prometheus_client redis starlette uvicorn uvloop xllamacpp
	$(SDK) pip install --quiet --disable-pip-version-check -c constraints.txt $(SDK_TOOLS)
	$(SDK) pytest tests/zai tests/wire tests/test_http1.py tests/test_sse.py

# About half an hour; `make bench-relay BENCH=--quick` takes one. benchmarks/relay/README.md has the rest.
bench-relay: ready
	@$(BIN)/python benchmarks/relay $(BENCH)

clean:
	rm -rf $(VENV) .venv-clients .venv-sdk build

# Running needs the packages; checking needs the tools as well.
ready: python
	@$(PYTHON) scripts/set_up.py $(VENV) $(PRODUCT)

ready-to-check: python
	@$(PYTHON) scripts/set_up.py $(VENV) $(PRODUCT) --requirement=tests/requirements.txt

python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON): not found. Headrace needs Python 3.11 or later; to name one: make demo PYTHON=python3.12" >&2; exit 1; }
