# Every target sets up what it needs; nothing is done twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK_HASH := $(shell cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
STAMP := $(VENV)/.installed-$(LOCK_HASH)
# numba does not notice a changed helper in another file: a new cache for each state of the kernels.
KERNEL_HASH := $(shell cat orderflow_core/kernels/*.py orderflow_core/kernels/*/*.py 2>/dev/null | sha256sum | cut -c1-16)
export NUMBA_CACHE_DIR ?= $(CURDIR)/$(VENV)/numba/$(KERNEL_HASH)
export ORDERFLOW_HOME ?= $(CURDIR)/.orderflow
DEMO_SYMBOL ?= ES

.PHONY: help setup demo test soak ui bench docs lint type clean

help:
	@echo "make demo | test | soak | ui | bench | docs | lint | type | clean   (README.md says what each does)"

setup: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked environment into $(VENV) (a few minutes, once)"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	@rm -f $(VENV)/.installed-* && touch $@

demo: setup
	$(BIN)/orderflow ingest samples --symbol $(DEMO_SYMBOL)
	$(BIN)/orderflow run --symbol $(DEMO_SYMBOL)
	$(BIN)/orderflow report --symbol $(DEMO_SYMBOL)

test: setup
	$(BIN)/python tests/run_legs.py

soak: setup
	$(BIN)/python tests/run_legs.py --soak

ui: setup
	$(BIN)/orderflow ui

bench: setup
	$(BIN)/python -m benchmarks.run
	@test -z "$(ORDERFLOW_TEST_DATA)" || \
	  $(BIN)/python -m benchmarks.vendors "$(ORDERFLOW_TEST_DATA)" --output benchmarks/results-vendors.md

docs: setup
	$(BIN)/python -m orchestration.charts.glossary docs/pictures

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/dg check defs

type: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-peers .orderflow soak build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
