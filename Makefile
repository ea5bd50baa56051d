# The two commands that a newcomer needs are `make demo` and `make test`; both set up everything by themselves.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
VIDEO ?=
TORCH_INDEX_URL ?=
INSTALLED := $(VENV)/installed

.PHONY: demo serve test check docs install clean hashes audit sbom

## Label Studio and the backend on this machine, with a video pre-annotated: make demo, or make demo VIDEO="a.mp4 b.mp4"
demo: $(INSTALLED)
	$(BIN)/deadlift demo $(VIDEO)

## The backend alone, on port 9090, for a Label Studio of your own
serve: $(INSTALLED)
	$(BIN)/deadlift serve

## All tests, those in a real browser included. One thread each: on a busy machine threads that wait for each other spin
test: $(INSTALLED)
	docker/system_packages tests
	OMP_NUM_THREADS=1 $(BIN)/pytest

## Lint, formatting, types, import contracts, spelling
check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# Benchmarks and scripts of the documentation call what nothing else does: that they call it as it is now.
	MYPYPATH=tests/support $(BIN)/mypy --config-file= --check-untyped-defs --no-strict-optional --follow-imports=silent \
		--ignore-missing-imports benchmarks docs/scripts
	$(BIN)/lint-imports
	$(BIN)/codespell

## The documentation as a site, build/docs/index.html. Warnings are errors (with --quiet they would not be); nothing is
## downloaded. The variable silences an announcement of the theme's authors
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

## docker/requirements.txt anew: what the server needs, with the SHA-256 of each file for this machine's Python and
## system. Where PyTorch's CPU build comes from: make hashes TORCH_INDEX_URL=...
hashes: $(INSTALLED)
	mkdir -p build
	$(BIN)/python -m pip install --quiet --dry-run --ignore-installed --report build/packages.json \
		--constraint constraints.txt $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL)) . setuptools
	$(BIN)/python docker/hashed_requirements.py build/packages.json > build/requirements.txt
	mv build/requirements.txt docker/requirements.txt

## Known vulnerabilities of the packages that the server needs. Asks PyPI's list of advisories, and fails where there are
audit: build/tools/installed
	build/tools/bin/pip-audit --disable-pip --no-deps --requirement docker/requirements.txt

## What is installed, as a software bill of materials (CycloneDX), build/sbom.json
sbom: $(INSTALLED) build/tools/installed
	build/tools/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-file build/sbom.json

build/tools/installed:
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet pip-audit cyclonedx-bom
	touch $@

install: $(INSTALLED)

# torch first: PyPI's build for Linux brings gigabytes of GPU libraries that are not used. PyTorch has an index of CPU
# builds, whose address its installation page tells: make install TORCH_INDEX_URL=...
$(INSTALLED): pyproject.toml constraints.txt
	docker/system_packages runtime
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing the project into $(VENV): once, some minutes"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL)) torch
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
