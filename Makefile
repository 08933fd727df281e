# Each target works in an empty clone with nothing but Python >= 3.11: the environment is made in .venv on first use.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Recurrent steps are small matrix products: more BLAS threads only wait for each other.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo lecture test test-demos test-package lint clean
.SECONDARY:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demos  ## train the character model on War and Peace, print its samples, and write a page about it
	$(BIN)/python demos/char_lm.py train

# The long form of each system of the lecture, and what else it is told.
SYSTEMS := $(addprefix long_lag/,adding copying irnn multiplication noise_free reber temporal_order two_sequences \
             very_long_lag) min_char_rnn names airline sentiment budget
MORE_long_lag/adding := --lag 100 --cells LSTM RNN 1997 GRU
MORE_long_lag/copying := --lag 20
MORE_long_lag/irnn := --lag 150
MORE_long_lag/very_long_lag := --lag 50
MORE_budget := --seconds 60

LONG := $(SYSTEMS:%=lecture-%)

.PHONY: $(LONG)
lecture: $(LONG)  ## run the long form of every system of the lecture, tens of minutes (-j2 uses two cores)

$(LONG): lecture-%: $(VENV)/installed-demos
	$(BIN)/python demos/$*.py --full $(MORE_$*)

test: $(VENV)/installed-test  ## run the tests and the doctests, in two processes, each of which prints at its end
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) test-demos test-package

test-demos: $(VENV)/installed-test
	$(ONE_THREAD) $(BIN)/python -m pytest tests/demos tests/onnx

test-package: $(VENV)/installed-test
	$(ONE_THREAD) $(BIN)/python -m pytest --ignore tests/demos --ignore tests/onnx

lint: $(VENV)/installed-dev  ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp an extra of pyproject.toml: installed anew only when that file changes.
$(VENV)/installed-%: pyproject.toml $(VENV)/created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(VENV)/created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("tinygrad_rnn needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name a newer one: make PYTHON=python3.12 ..." % v[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@
