# Two commands for a newcomer: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: help install demo test test-all wheel-test docs notebook readme-test \
	check-all lint pictures clean

# The first target, which make runs without one.
help:
	@echo 'make demo        pretrain, fine-tune, compare: seven to nine minutes'
	@echo 'make test        lint and test'
	@echo 'make install     only what both need, into .venv'
	@echo 'make test-all, wheel-test, docs, notebook, readme-test, pictures,'
	@echo 'make check-all, lint, clean: see CONTRIBUTING.md and the Makefile'

install: $(STAMP)

# Again only when what is to be installed has changed.
$(STAMP): setup.cfg pyproject.toml requirements/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q \
	  -c requirements/constraints.txt -e '.[lite,dev]'
	touch $@

demo: install
	$(BIN)/python -W ignore tools/demo.py

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'not long' tests

test-all: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto tests

# Builds the wheel, and uses it in an environment of its own.
wheel-test: install
	$(BIN)/python tests/wheel/run.py

# The site, into site/.
docs: install
	$(BIN)/pip install --disable-pip-version-check -q \
	  -c requirements/constraints.txt -r requirements/docs.txt
	$(BIN)/mkdocs build --strict

# Runs the notebook as a test. To put new outputs into it:
# jupyter nbconvert --to notebook --execute --inplace docs/nine_motions.ipynb
notebook: docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/docs/test_docs_notebook.py

# Runs every command block of README and docs.
readme-test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto tests/docs/test_docs.py

# Before a release: all that can be checked on one machine. The notebook and
# the command blocks are among the tests.
check-all: docs wheel-test
	HYPOTHESIS_PROFILE=thorough $(MAKE) test-all

# Type hints, spelling and docstrings, too: pre-commit run --all-files
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Remakes docs/pictures from rendered images and videos.
pictures: install
	$(BIN)/python -W ignore docs/pictures/one_image.py
	$(BIN)/python -W ignore docs/pictures/layers.py
	$(BIN)/python -W ignore docs/pictures/make.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
