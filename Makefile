# Everything is made in .venv and build/; nothing here needs root, but compilers that are absent are installed with apt
# where root runs it on Debian. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := build
PARTS := pyproject.toml setup.py sevenm/boundary.py sevenm/version.py $(wildcard host/build_native.py host/csrc/*.[ch] host/csrc/*.cdef)
CAPTURE := examples/capture/office.pcap
# What sevenm compiles on the way is kept here too, not in the user's own cache.
OWN_CACHE := XDG_CACHE_HOME=$(CURDIR)/$(BUILD)/cache
# The tests start Python a thousand times: what it compiled is kept, also where the environment says not to.
KEEP_BYTECODE := PYTHONDONTWRITEBYTECODE=
# Where `make lib` puts libsevenm.
PREFIX ?= $(BUILD)/lib
# Programs that measure; the others look at what was measured.
BENCHMARKS := $(filter-out bench/_% bench/page.py bench/gate.py,$(wildcard bench/*.py))
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench gate soak sweep lib clean
# The stamps of one .venv must not be made at the same time.
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "sevenm needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1); say make PYTHON=python3.11" >&2; exit 1; }
	@.ci/compilers $(PYTHON)
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.sim: $(VENV)/.made $(PARTS)
	@echo "installing sevenm and the simulator into $(VENV)"
	@$(PIP) install -e ".[sim]" --config-settings editable_mode=compat
	@touch $@

$(VENV)/.test: $(VENV)/.made $(PARTS)
	@echo "installing sevenm, the simulator and the test tools into $(VENV)"
	@$(PIP) install -e ".[test,lint]" --config-settings editable_mode=compat
	@touch $@ $(VENV)/.sim

demo: $(VENV)/.sim ## check, build and run examples/edge.7m on real traffic in every engine, and compare
	@mkdir -p $(BUILD)
	@$(OWN_CACHE) $(BIN)/sevenm check examples/edge.7m
	@$(OWN_CACHE) $(BIN)/sevenm compare examples/edge.7m -r $(CAPTURE) -o $(BUILD)/demo

test: $(VENV)/.test ## the test suite, on all cores; its last lines say what could not be tested
	@mkdir -p $(BUILD)
	@$(OWN_CACHE) $(KEEP_BYTECODE) $(BIN)/pytest -n auto tests

$(VENV)/.bench: $(VENV)/.test
	@echo "installing the benchmarks' peers into $(VENV)"
	@$(PIP) install -e ".[bench]" --config-settings editable_mode=compat
	@touch $@

lint: $(VENV)/.test ## style, format, types and import directions
	@mkdir -p $(BUILD)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir $(BUILD)/import-linter

bench: $(VENV)/.bench ## the benchmarks, one file per question, each beside its peers; at the end one page of all kept runs
	@failed=; for file in $(BENCHMARKS); do \
	  echo "== $$file"; $(OWN_CACHE) $(BIN)/python $$file || failed="$$failed $$file"; done; \
	$(BIN)/python bench/page.py -o $(BUILD)/bench/index.html || failed="$$failed bench/page.py"; \
	[ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

gate: $(VENV)/.test ## whether the working tree is slower than the commit OLD: make gate OLD=main
	@[ -n "$(OLD)" ] || { echo "name the commit to compare with: make gate OLD=main" >&2; exit 2; }
	@$(BIN)/python bench/gate.py $(OLD) $(NEW)

soak: $(VENV)/.test ## ten minutes of live traffic at full rate in which everything goes wrong, and nothing uncounted
	@$(OWN_CACHE) $(BIN)/python -m tests.soak.soak --seconds 600

sweep: $(VENV)/.test ## the tests with many more generated rules, packets and events (hours)
	@mkdir -p $(BUILD)
	@SEVENM_SOAK=1 $(OWN_CACHE) $(KEEP_BYTECODE) $(BIN)/pytest -n auto tests

lib: ## libsevenm for subscribers and producers in C and C++, with pkg-config, under PREFIX (build/lib)
	@PYTHON=$(PYTHON) host/lib/install $(PREFIX)

clean: ## remove .venv, build/ and what the tools left behind
	@rm -rf $(VENV) $(BUILD) dist *.egg-info .hypothesis .import_linter_cache
	@rm -f host/*.so host/*.o host/_native.c
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
