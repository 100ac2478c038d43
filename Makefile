# Two commands for a newcomer: `make demo` and `make test`. Both set everything up in .venv first.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
PIP_ARGS ?=
ARGS ?=
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow fuzz kill coverage check types docs bench format dist release clean

help: ## Show the targets
	@grep -E '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One stamp per set of extras: installing again happens only when the requirements change.
$(VENV)/.with-%: setup.cfg setup.py pyproject.toml constraints.txt | $(VENV)/.made
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) -c $(CONSTRAINTS) -e '.[$*]'
	@touch $@

demo: $(VENV)/.with-report ## Train on real movie plots, compare methods on one split, write report.html
	$(BIN)/spear-amal demo $(ARGS)

test: $(VENV)/.with-test ## Run the tests in two processes, some ten minutes (ARGS="-k name" passes options to pytest)
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.with-test ## Run the tests that `test` leaves out
	$(PYTEST) -m slow $(ARGS)

fuzz: $(VENV)/.with-test ## Send 10,000 odd inputs through all public doors, some minutes (ARGS="--only NAME --seed 1")
	$(BIN)/python tests/fuzz $(ARGS)

kill: $(VENV)/.with-test ## Kill commands 300 times and flip bits of files, half an hour (ARGS="--kills N --flips N")
	$(BIN)/python tests/kill $(ARGS)

coverage: $(VENV)/.with-dev ## Run all tests, and print which share of the package's lines they ran
	$(PYTEST) --cov --cov-report=term:skip-covered $(ARGS)

check: types ## Lint, format check, types, and the forms of workflows and the like
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

types: $(VENV)/.with-dev ## Check the types
	$(BIN)/mypy

docs: $(VENV)/.with-docs ## Build the documentation site in build/docs; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -d build/doctrees docs build/docs

bench: $(VENV)/.with-bench ## Measure speed and memory against other packages (ARGS="--only NAME --json FILE")
	$(BIN)/python benchmarks/run.py $(ARGS)

format: $(VENV)/.with-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lowest.txt: setup.cfg ## The lower bounds of setup.cfg as constraints: make test CONSTRAINTS=lowest.txt
	sed -n 's/^    \([A-Za-z0-9_-]*\)[][a-z]*>=\([0-9][0-9a-z.]*\)$$/\1==\2/p' setup.cfg | sort -u > $@

dist: $(VENV)/.with-release ## Build source archive and wheel into dist/, and check them
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

release: $(VENV)/.with-release ## Turn "Unreleased" into a version, commit and tag it: make release VERSION=0.2.0
	@test -n "$(VERSION)" || { echo "Which version? Try: make release VERSION=0.2.0"; exit 2; }
	$(BIN)/bump-my-version bump --new-version "$(VERSION)"
	@echo "Look at it (git show), then: git push --follow-tags"

clean: ## Remove what was made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/generated report.html lowest.txt .coverage*
