# Two commands for a newcomer: `make demo` and `make test`. Both set everything up in .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench format clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

# One stamp per set of extras: installing again happens only when the requirements change.
$(VENV)/.with-%: setup.cfg setup.py pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) -c constraints.txt -e '.[$*]'
	@touch $@

demo: $(VENV)/.with-report ## Train on real movie plots, compare methods on one split, write report.html
	$(BIN)/spear-amal demo $(ARGS)

test: $(VENV)/.with-test ## Run the tests in two processes (ARGS="-k name" passes options to pytest)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.with-dev ## Lint, format check and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.with-bench ## Measure speed and memory against other packages (ARGS="--only NAME --json FILE")
	$(BIN)/python benchmarks/run.py $(ARGS)

format: $(VENV)/.with-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis report.html
