PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: quickstart test lint clean

# Evaluate the shipped model on the sample photos: a NoC table here, reports and pictures in quickstart/
quickstart: $(READY)
	$(BIN)/python scripts/evaluate_model.py --datasets Samples --cpu --logs-path quickstart

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) quickstart
