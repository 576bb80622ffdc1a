# `make` prints what there is. Everything sets itself up: a virtual environment in .venv, the C++ core built into it.
# PYTHON=python3.12 chooses the Python, ARGS="..." goes to pytest, ossnb bench or the notebook server.

PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python
SETUP := $(PYTHON) tools/setup_env.py
STAMP := $(VENV)/stamp
NOTEBOOK := notebooks/01_first_answer.ipynb
ORACLE := build/oracle-venv
CPP := $(shell find cpp -name '*.cpp' -o -name '*.h')
CPP_TESTS := $(wildcard tests/cpp/*)
IN_BROWSER := tests/test_views_in_browser.py tests/test_lab.py tests/test_notebook_app.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo lab test browser pictures arm wheel lint format oracle bench clean

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: $(STAMP)-test  ## run the first notebook on the embedded model and print its answer
	@$(RUN) tools/run_notebook.py $(NOTEBOOK)
	@echo
	@echo "Open it in JupyterLab:  make lab"

lab: $(STAMP)-lab  ## open the first notebook in JupyterLab
	$(RUN) -m jupyterlab $(NOTEBOOK) $(ARGS)

test: $(STAMP)-test  ## run the tests
	$(RUN) -m pytest -n 2 --dist loadgroup $(IN_BROWSER:%=--ignore=%) $(ARGS)
	$(if $(ARGS),,$(RUN) -m pytest $(IN_BROWSER))

browser: $(STAMP)-test  ## run the tests in JupyterLab and Chromium (apt install chromium), a part of `test`
	OSSNB_BROWSER=required $(RUN) -m pytest -v $(IN_BROWSER) $(ARGS)

pictures: $(STAMP)-test  ## take the pictures of docs/img anew, in JupyterLab and Chromium
	OSSNB_PICTURES=docs/img OSSNB_BROWSER=required $(RUN) -m pytest -q tests/test_lab.py

arm: $(STAMP)-test  ## run the tests on emulated processors (apt install g++-aarch64-linux-gnu qemu-user)
	$(RUN) -m pytest -v tests/test_other_machines.py $(ARGS)

wheel: $(STAMP)-core  ## build the wheel and check what is in it
	@rm -rf build/wheel
	$(RUN) -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation -w build/wheel .
	$(RUN) tools/check_wheel.py build/wheel

lint: $(STAMP)-lint  ## check style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(CPP) $(CPP_TESTS)

format: $(STAMP)-lint  ## put every file into the style that lint checks
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
	$(VENV)/bin/clang-format -i $(CPP) $(CPP_TESTS)

oracle: $(ORACLE)/stamp  ## compare logits with transformers on freshly made models (installs torch)
	$(ORACLE)/bin/python tools/oracle/live.py $(ARGS)

bench: $(STAMP)-core  ## measure the embedded model's speed; ARGS="MODEL --json" for another
	$(RUN) -m ossnb bench $(or $(ARGS),demo)

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Stamps: a step runs again when what it was made from is newer. Python sources are used in place (editable install).
$(STAMP)-new: tools/setup_env.py
	@$(SETUP) $(VENV) new
	@touch $@

$(STAMP)-core: $(STAMP)-new pyproject.toml CMakeLists.txt $(CPP)
	@$(SETUP) $(VENV) core
	@touch $@

$(STAMP)-%: pyproject.toml | $(STAMP)-core
	@$(SETUP) $(VENV) $*
	@touch $@

$(ORACLE)/stamp: tools/oracle/requirements.txt | $(STAMP)-test
	@$(SETUP) $(ORACLE) new see=$(VENV) $<
	@touch $@
