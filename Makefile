# make test   sets up .venv and runs the tests
# make test-avx2  runs the tests that depend on arithmetic as on a processor that has no more than AVX2
# make demo   sets up .venv and runs the tour: extract, heads, networks, a search, report and slides
# make check  ruff, pyright and import-linter
# make docs   builds the site into docs/_build; a warning or a dead link is an error
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2

unexport PYTHONDONTWRITEBYTECODE  # the tests start many processes: each would compile all sources

.PHONY: test test-avx2 demo check docs setup
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

test: $(READY)
	$(BIN)/pytest -n auto --dist worksteal

test-avx2: $(READY)
	$(AVX2) $(BIN)/pytest -n auto --dist worksteal -m arithmetic

demo: $(READY)
	$(BIN)/pipeline demo

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -n -q -E docs docs/_build
