PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# The mode lets "import isegm" find the package also from the folder above a checkout that is named isegm
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable

.PHONY: quickstart test test-all lint docs wheel clean

# Evaluate the shipped model on the sample images: a NoC table here, reports and overlays in quickstart/
quickstart: $(VENV)/.ready
	$(BIN)/isegm evaluate --datasets Samples --cpu --logs-path quickstart

# Two processes, each of which computes in one thread and takes up to 3 GB of memory
test: $(VENV)/.ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The same with what takes longest: every recorded click of published runs, and variants of other tests.
test-all: $(VENV)/.ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --all

# The same checks as .pre-commit-config.yaml
lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

docs: $(VENV)/.ready-docs
	$(BIN)/mkdocs build --strict

wheel: $(VENV)/.ready-dev
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Installing into $(VENV): some minutes without a word; with CUDA 6 GB, see README.md for less"
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(INSTALL) ".[dev]"
	touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(INSTALL) ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) quickstart build dist site
