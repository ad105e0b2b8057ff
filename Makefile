# Each target makes the environment that it needs; PYTHON chooses the interpreter.
PYTHON ?= python3
PIP = -m pip install --quiet --disable-pip-version-check -c constraints.txt
VENV = .venv
DEMO = .venv-demo

.PHONY: demo test test-slow lint docs bench dist clean

demo: $(DEMO)/made                  ## the main job: a real photo through the embedded model
	$(DEMO)/bin/mien predict examples/astronaut.jpg

test: $(VENV)/made lint             ## what CI runs
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/made             ## the slow tests alone
	$(VENV)/bin/python $(PIP) -e '.[ray,tensorboard]'
	$(VENV)/bin/python -m pytest -m slow

lint: $(VENV)/made
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python tools/figures.py --check

docs: $(VENV)/made                  ## the documentation, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --quiet

dist: $(VENV)/made                  ## sdist and wheel, checked
	$(VENV)/bin/python $(PIP) build twine
	$(VENV)/bin/python -m build --outdir dist .
	$(VENV)/bin/python -m twine check --strict dist/*

bench: $(VENV)/made                 ## speed and memory against a baseline in the same run
	$(VENV)/bin/python -m benchmarks.inference
	$(VENV)/bin/python -m benchmarks.detect --times

$(DEMO)/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) .
	touch $@

$(VENV)/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) torch torchvision
	$(VENV)/bin/python $(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) site dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
