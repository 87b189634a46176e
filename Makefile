# Every target sets up what it needs in .venv (and .venv-bench): `make demo`, `make test`, `make lint`, `make bench`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
GENERATED := {{cookiecutter.project_slug}}
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: demo test lint bench

$(VENV)/.ready: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(BENCH)/%/.ready: benchmarks/requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/python scripts/demo.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check --config ruff.toml .
	$(BIN)/ruff format --check --config ruff.toml .
	$(BIN)/mypy '$(GENERATED)/connector' '$(GENERATED)/harness'

bench: $(VENV)/.ready $(BENCH)/ours/.ready $(BENCH)/others/.ready
	$(BIN)/python -m benchmarks $(BENCH_ARGS)
