# make demo · make test · make install · make bench · make clean
# Needs make and Python 3.11 or newer; PYTHON=... says which one.

BIN := .venv/bin
STAMP := .venv/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON := $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c '$(RECENT)' 2>/dev/null && echo $$p && exit; done; echo python3)
VENV_PACKAGE := $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')

.PHONY: install browser demo test bench clean

install: $(STAMP)

demo: install
	@$(BIN)/firstlight quickstart --serve

test: install browser
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@OMP_NUM_THREADS=1 POLARS_MAX_THREADS=2 $(BIN)/python -m pytest -q -n 2 --dist worksteal --hypothesis-profile ci

# The playground is tried in a real browser; without one its tests are skipped.
browser:
	@command -v chromium >/dev/null || { export DEBIAN_FRONTEND=noninteractive; test "$$(id -u)" = 0 \
		&& apt-get update -qq && apt-get install -qq -y chromium; } >/dev/null 2>&1 || echo \
		"There is no chromium: install the package chromium, or the tests of the playground are skipped." >&2

bench: install
	@for f in read_ten_million simulate_ten_million adapt_hundred_thousand; do \
		echo "$$f"; $(BIN)/python benchmarks/$$f.py || exit 1; done

clean:
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# PyTorch goes first, by itself and at its exact version: asked for loosely it may bring several GB along.
# Debian keeps what makes environments in a package of its own.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c '$(RECENT)' 2>/dev/null || { echo "firstlight needs Python 3.11 or newer, but $(PYTHON) is" \
		"$$($(PYTHON) --version 2>&1 || true): install it, or name another with 'make PYTHON=python3.11'." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { export DEBIAN_FRONTEND=noninteractive; test "$$(id -u)" = 0 \
		&& apt-get update -qq && apt-get install -qq -y $(VENV_PACKAGE) && $(PYTHON) -m venv .venv; } >/dev/null 2>&1 || { \
		echo "$(PYTHON) cannot make .venv: install the package $(VENV_PACKAGE), then repeat." >&2; exit 1; }
	@echo "Installing PyTorch, then firstlight and what its tests need: one to three minutes"
	@$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@
	@echo "Installed: $(BIN)/firstlight is the command"
