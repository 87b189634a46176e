# Every target sets up what it needs in .venv: `make demo`, `make test`, `make lint`, `make bench`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GENERATED := {{cookiecutter.project_slug}}
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: demo test lint bench

$(VENV)/.ready: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/python scripts/demo.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check --config ruff.toml .
	$(BIN)/ruff format --check --config ruff.toml .
	$(BIN)/mypy '$(GENERATED)/connector' '$(GENERATED)/harness'

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.cold_start
