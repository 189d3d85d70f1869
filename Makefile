# make test   sets up .venv and runs the tests
# make demo   sets up .venv and runs extract, fit-head and a small table
# make check  ruff, pyright and import-linter
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: test demo check setup
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

test: $(READY)
	$(BIN)/pytest -n auto --dist worksteal

demo: $(READY)
	$(BIN)/pipeline demo

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
