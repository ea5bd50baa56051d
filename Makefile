# The two commands that a newcomer needs are `make demo` and `make test`; both set up everything by themselves.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
VIDEO ?=
INSTALLED := $(VENV)/installed

.PHONY: demo serve test check install clean

## Label Studio and the backend on this machine, with a video pre-annotated: make demo, or make demo VIDEO="a.mp4 b.mp4"
demo: $(INSTALLED)
	$(BIN)/deadlift demo $(VIDEO)

## The backend alone, on port 9090, for a Label Studio of your own
serve: $(INSTALLED)
	$(BIN)/deadlift serve

## All tests, the one in a real browser included
test: $(INSTALLED)
	docker/system_packages tests
	$(BIN)/pytest

## Lint, formatting, types, import contracts, spelling
check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

install: $(INSTALLED)

# torch first and by its exact version: without one, pip would choose a build with gigabytes of GPU libraries.
$(INSTALLED): pyproject.toml constraints.txt
	docker/system_packages runtime
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
