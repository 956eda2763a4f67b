# Everything a person or CI does with this repository. Needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONFORMANCE_DATA ?= tests/conformance/data
TESTS ?= tests
SEEDS ?= 3
EXAMPLES ?= 50

.PHONY: help demo test lint types unit postgresql conformance sim year bench browser black-box contract api-fuzz lock docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.runtime: pyproject.toml hatch_build.py requirements/runtime.txt $(wildcard ui/package.json ui/package-lock.json)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements/development.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $@

demo: $(VENV)/.runtime ## install, start Cockpit, Controller and two Agents, deploy samples, run orders; Ctrl-C stops all
	$(BIN)/stellwerk demo --data data/demo

test: lint types unit ## lint, types and the whole quick suite

lint: $(VENV)/.development
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/lint-imports

types: $(VENV)/.development
	$(BIN)/mypy

# Browser tests in a process of their own: the browser's driver keeps an event loop running.
unit: $(VENV)/.development
	$(BIN)/pytest -n 2 --dist loadgroup -m "not browser" $(TESTS)
	$(BIN)/pytest -n 2 --dist loadfile -m browser tests/browser

postgresql: $(VENV)/.development ## the Cockpit's tests on PostgreSQL, all of them
	STELLWERK_ALL_DATABASES=1 $(BIN)/pytest -n 2 --dist loadgroup -m postgresql tests/cockpit

conformance: $(VENV)/.development ## all conformance vectors; CONFORMANCE_DATA=FOLDER for others
	$(BIN)/python -m tests.conformance.run $(CONFORMANCE_DATA)

sim: $(VENV)/.development ## the simulator: crash at every write, determinism, broken variants are caught
	PYTHONHASHSEED=0 $(BIN)/python -m stellwerk.simulation --seeds $(SEEDS)

year: $(VENV)/.development ## a year of daily plans of 300 schedules, the Cockpit killed in the middle of it
	STELLWERK_YEAR=1 $(BIN)/pytest -s -m "year and not postgresql" tests/cockpit/operations

bench: $(VENV)/.development ## benchmarks, side by side with the raw process rate
	$(BIN)/python -m bench

browser: $(VENV)/.development ## browser tests; need Chromium from the system's packages
	$(BIN)/pytest -m browser tests/browser

black-box: $(VENV)/.development ## real processes, kill -9, the long form
	$(BIN)/pytest -m black_box tests/black_box --long

contract: $(VENV)/.development ## the 124 commands of the vendor's shell CLI, with a report by number; needs curl and jq
	$(BIN)/pytest tests/contract

api-fuzz: $(VENV)/.development ## many requests to every endpoint of the Cockpit, other ones each time; on both databases
	STELLWERK_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/cockpit/test_api_fuzz.py

lock: ## write the locked requirements anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    requirements/development.in -o requirements/development.txt

docs: $(VENV)/.development ## regenerate generated pages of docs/
	$(BIN)/python -m tests.documentation

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/stellwerk/cockpit/ui ui/node_modules
