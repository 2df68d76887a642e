# Everything that one does with a checkout. Needs Python >= 3.11 with pip, and make; the rest is installed into .venv.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v $$name; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench mutants crash crash-selftest screenshots down reset

help:  ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Install everything into .venv.

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found. Install one, or say which: make PYTHON=/path/to/python3"; exit 1; }
	@echo "installing into $(VENV) (once)"
	@# A Python without ensurepip (Debian without python3-venv) lends its own pip.
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@if $(RUN) -m pip --version >/dev/null 2>&1; then pip="$(RUN) -m pip"; else pip="$(PYTHON) -m pip --python $(RUN)"; fi; \
	$$pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	&& $$pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
	|| { echo "The packages could not be installed. Likely cause: no network (needed once), or no space. Connect and run make again."; exit 1; }
	@touch $@

demo: $(STAMP)  ## Start everything, load the sample network, show verdicts, fines and notices.
	@$(RUN) -m faultline demo

test: $(STAMP)  ## Run all tests against the real broker and database (TESTS=tests/unit for some).
	@$(RUN) -m pytest $(TESTS)

check: $(STAMP)  ## Style, types and the direction of dependencies.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP)  ## Put the code into the house style.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(STAMP)  ## Measure throughput and latency on this machine.
	@$(RUN) -m tests.bench

mutants: $(STAMP)  ## Try a sample of small changes of the rules: do the fast tests notice? (30 to 60 minutes)
	@$(RUN) -m tests.mutants

crash: $(STAMP)  ## The long crash test: kill everything, compare with an oracle.
	@$(RUN) -m tests.crash

crash-selftest: $(STAMP)  ## Show that the crash test catches deliberate bugs.
	@$(RUN) -m tests.crash selftest

screenshots: $(STAMP)  ## Take the README's pictures of the running demo (needs Chromium).
	@$(RUN) -m tests.screenshots

down: $(STAMP)  ## Stop what demo started; data stays.
	@$(RUN) -m faultline down

reset: $(STAMP)  ## Stop it and forget the data.
	@$(RUN) -m faultline reset --yes
