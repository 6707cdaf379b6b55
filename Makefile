# Every target sets up .venv by itself when it is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: app lab test lint bench setup

app: $(READY)  ## open the page; options as OPTIONS="--port 8000 --no-browser"
	$(BIN)/sr-explore app $(OPTIONS)

lab: $(READY)  ## open the notebooks in JupyterLab
	cd notebooks && ../$(BIN)/jupyter lab

test: $(READY)  ## run the tests: several at a time, then those that have a browser and a server to feed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not browser" -n logical --maxprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -m browser

lint: $(READY)  ## ruff, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(READY)  ## how long a drag of the pruning slider takes here
	$(BIN)/python -m sr_explore.drag_bench

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[test]"
	@touch $@
