# Needs make and Python 3.11 or newer. Everything else is fetched into .venv and build/test-venv.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
STAMP := $(shell cat pyproject.toml .ci/constraints.txt | cksum | cut -d ' ' -f 1)

VENV := .venv
BIN := $(VENV)/bin
TEST_VENV := build/test-venv
TEST_BIN := $(TEST_VENV)/bin
LOWEST_VENV := build/lowest-venv
# What the tests of a part need. Not the whole group dev: schemathesis asks for newer libraries than the program does.
TEST_TOOLS := coverage hypothesis jsonschema pytest pytest-cov pytest-randomly pytest-timeout pytest-xdist selenium trio
# In memory where that has room: tests commit thousands of times, and beside each other would wait for one disk.
TEST_FOLDER := $(or $(TMPDIR),$(shell room=$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1); \
	test "$${room:-0}" -gt 4194304 && echo /dev/shm || echo /tmp))
TEST_WHEEL := TMPDIR=$(TEST_FOLDER) PYTHONSAFEPATH=1 RUNFLOWD_TEST_INSTALLED=1 $(TEST_BIN)/pytest -p no:randomly
PIP_OPTIONS := --quiet --disable-pip-version-check --no-input --constraint .ci/constraints.txt
COVERAGE ?= 90
ROUNDS ?= 10
MINUTES ?= 1
SEED ?=
PART ?=
QUICK_PARTS = $(or $(PART),core api config store system watch pipeline/test_reload.py end_to_end/test_cli_sync.py)
TARGET ?= yaml
# What looks into the state file itself, or is told in SQLite's words.
OF_THE_FILE := pipeline/test_plan.py::test_a_plan_over_old_work_is_what_then_happens \
	pipeline/test_bad_days.py::test_a_file_that_is_done_leaves_little_in_the_state_file \
	pipeline/test_bad_days.py::test_a_state_file_that_was_replaced_is_no_second_daemon \
	pipeline/test_equal_files.py::test_an_edit_costs_the_same_for_each_of_many_equal_files \
	pipeline/test_receipts.py::test_a_receipt_never_replaces_what_is_not_its_own \
	pipeline/test_rerun.py::test_a_result_keeps_its_place_when_its_folder_is_only_told_in_another_way \
	end_to_end/test_recovery.py::test_a_second_daemon_on_one_state_file_is_refused

.DEFAULT_GOAL := help
.PHONY: help demo test lowest pythons again check lint types imports dead schema format bench soak postgresql corpus fuzz deb screens weights clean distclean

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/runtime-$(STAMP) weights ## Process sample photos and a text on this machine and show the results
	$(BIN)/runflowd demo --folder demo-run

ifeq ($(PART),)
test: $(TEST_VENV)/stamp-$(STAMP) ## Build the wheel, install it, and test the installed wheel
	rm -rf build/wheel
	$(TEST_BIN)/python -m pip wheel $(PIP_OPTIONS) --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(TEST_BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --force-reinstall build/wheel/*.whl
	$(TEST_BIN)/python -P -m runflowd.local.weights
	$(TEST_WHEEL) --numprocesses 4 --dist loadfile --no-loadscope-reorder --cov --cov-fail-under $(COVERAGE)
else
test: $(VENV)/tools-$(STAMP) weights ## With PART=core or PART="core api/test_client.py": a part, against the checkout, no wheel built
	$(BIN)/pytest -p no:randomly --quiet $(PART:%=tests/%)
endif

lowest: $(LOWEST_VENV)/stamp-$(STAMP) ## Test a part with the lowest versions of the libraries that pyproject.toml allows
	$(LOWEST_VENV)/bin/pytest -p no:randomly --quiet $(QUICK_PARTS:%=tests/%)

pythons: ## Test a part under each supported Python that this machine has, and say which it has not
	TOOLS='$(TEST_TOOLS)' .ci/pythons $(QUICK_PARTS:%=tests/%)

again: ## Ask once more, one by one, what failed in the last `make test`; never what is about money, kills or the store
	$(TEST_WHEEL) --last-failed --last-failed-no-failures none --collect-only --quiet -m promise; test $$? -eq 5
	$(TEST_WHEEL) --last-failed --last-failed-no-failures none

check: lint types imports dead schema test ## Everything that must hold before a change goes in

lint: $(VENV)/tools-$(STAMP) ## Style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/tools-$(STAMP) ## Types, strictly, of the source and the tests
	$(BIN)/mypy

imports: $(VENV)/tools-$(STAMP) ## The borders of docs/architecture.md
	$(BIN)/lint-imports

dead: $(VENV)/tools-$(STAMP) ## Nothing is there that nobody uses
	$(BIN)/vulture

schema: $(VENV)/tools-$(STAMP) ## The stored JSON Schema is that of the code
	$(BIN)/runflowd schema --check

format: $(VENV)/tools-$(STAMP) ## Put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(VENV)/tools-$(STAMP) weights ## Measure
	$(BIN)/python -m bench

soak: $(VENV)/tools-$(STAMP) ## Kills, faults and people at random: make soak ROUNDS=100 MINUTES=30 SEED=7
	$(BIN)/python -m tests.soak --rounds $(ROUNDS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

postgresql: $(VENV)/tools-$(STAMP) weights ## Try the pipeline, kills and a soak with the state in a database on a server
	TMPDIR=$(TEST_FOLDER) RUNFLOWD_TEST_STATE=postgresql $(BIN)/pytest -p no:randomly --numprocesses 4 --dist loadfile \
		--ignore tests/pipeline/test_kept_state.py $(OF_THE_FILE:%=--deselect tests/%) tests/pipeline tests/end_to_end/test_kill_matrix.py tests/end_to_end/test_recovery.py
	$(BIN)/python -m tests.soak --postgresql --rounds $(ROUNDS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

corpus: $(VENV)/tools-$(STAMP) ## Judge a thousand real media, whole and cut short; fetches 350 MB into build/corpus, once
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[heic]'
	$(BIN)/python -m tests.corpus

fuzz: $(VENV)/tools-$(STAMP) ## Try hostile inputs: make fuzz TARGET=yaml MINUTES=10 SEED=1
	$(BIN)/python -m tests.fuzz $(TARGET) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

deb: $(VENV)/tools-$(STAMP) ## Build the Debian package, then install, upgrade and remove it over this machine's files (root)
	packaging/deb/build
	$(BIN)/pytest -p no:randomly --quiet tests/packaging

screens: $(VENV)/tools-$(STAMP) weights ## Take the pictures of the page in docs/screens anew
	$(BIN)/python -m tests.screens

weights: $(VENV)/runtime-$(STAMP) ## Fetch the weights of the local models (4.6 MB, once) into the cache
	$(BIN)/python -m runflowd.local.weights

$(VENV)/runtime-$(STAMP): | need-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --upgrade pip
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[apprise,local,postgres,users,video]'
	rm -f $(VENV)/runtime-* && touch $@

$(VENV)/tools-$(STAMP): $(VENV)/runtime-$(STAMP)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --group dev
	rm -f $(VENV)/tools-* && touch $@

$(TEST_VENV)/stamp-$(STAMP): | need-python
	test -x $(TEST_BIN)/python || $(PYTHON) -m venv $(TEST_VENV)
	$(TEST_BIN)/python -m pip install $(PIP_OPTIONS) --upgrade pip
	$(TEST_BIN)/python -m pip install $(PIP_OPTIONS) hatchling '.[apprise,local,postgres,users,video]' --group dev
	rm -f $(TEST_VENV)/stamp-* && touch $@

$(LOWEST_VENV)/stamp-$(STAMP): .ci/lowest.py | need-python
	test -x $(LOWEST_VENV)/bin/python || $(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/python .ci/lowest.py > $(LOWEST_VENV)/constraints.txt
	$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint $(LOWEST_VENV)/constraints.txt --editable '.[apprise,local,postgres,users,video]' $(TEST_TOOLS)
	rm -f $(LOWEST_VENV)/stamp-* && touch $@

.PHONY: need-python
need-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 1; }

clean: ## Remove what was built; the virtual environment for work stays
	rm -rf build dist demo-run htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache .grimp_cache

distclean: clean ## Remove the virtual environment, too
	rm -rf $(VENV)
