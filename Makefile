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
CUDA := build/cuda-venv
CPP := $(shell find cpp -name '*.cpp' -o -name '*.h' -o -name '*.cu')
CPP_TESTS := $(shell find tests/cpp tests/cuda_host -name '*.cpp' -o -name '*.h' -o -name '*.cu')
TYPESCRIPT := build/typescript-7.0.2
AXE := build/axe-core-4.14.1
IN_BROWSER := tests/test_views_in_browser.py tests/test_lab.py tests/test_notebook_app.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo lab test quick campaign browser pictures docs arm sanitize cuda wheel lint format tidy types axe oracle bench clean

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: $(STAMP)-test  ## run the first notebook on the embedded model and print its answer
	@$(RUN) tools/run_notebook.py $(NOTEBOOK)
	@echo
	@echo "Open it in JupyterLab:  make lab"

lab: $(STAMP)-lab  ## open the first notebook in JupyterLab
	@$(RUN) tools/open_lab.py $(NOTEBOOK) $(ARGS)

test: $(STAMP)-test axe  ## run the tests
	$(RUN) -m pytest -n 2 --dist loadgroup $(IN_BROWSER:%=--ignore=%) $(ARGS)
	$(if $(ARGS),,$(RUN) -m pytest $(IN_BROWSER))

quick: $(STAMP)-test  ## run the quick half of the tests, in less than a minute
	$(RUN) -m pytest -q -n 2 --dist loadgroup -m quick $(ARGS)

campaign: $(STAMP)-test  ## run ten minutes of hostile files, interrupts and kills; ARGS="kills --scale 0.1" for a part
	$(RUN) tests/campaign $(ARGS)

browser: $(STAMP)-test axe  ## run the tests in JupyterLab and Chromium (apt install chromium), a part of `test`
	OSSNB_BROWSER=required $(RUN) -m pytest -v $(IN_BROWSER) $(ARGS)

pictures: $(STAMP)-test  ## take the pictures of docs/img anew, in JupyterLab and Chromium
	OSSNB_PICTURES=docs/img OSSNB_BROWSER=required $(RUN) -m pytest -q tests/test_lab.py

docs: $(STAMP)-docs  ## build the site from docs/ and the docstrings, with the notebooks executed
	$(RUN) tools/build_docs.py

arm: $(STAMP)-test  ## run the tests on emulated processors (apt install g++-aarch64-linux-gnu qemu-user libsimde-dev)
	$(RUN) -m pytest -v tests/test_other_machines.py $(ARGS)

sanitize: $(STAMP)-test  ## run the engine under the address, undefined-behaviour and thread sanitizers
	$(RUN) tools/sanitize.py $(ARGS)

# nvcc 13.0 is taken from the PATH, or from PyPI like the rest. Where the rest cannot be had this says so.
cuda:  ## compile the GPU's kernels and check their code (no GPU needed); ARCHS=90 for one kind of card
	@if $(MAKE) --silent $(CUDA)/stamp; then \
	  PATH="$(CURDIR)/$(CUDA)/bin:$$PATH" cmake -G Ninja -S . -B build/cuda --log-level=WARNING \
	    -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(CUDA)/bin/ninja" \
	    -DOSSNB_BUILD_PYTHON=OFF -DOSSNB_CUDA=ON -DOSSNB_CUDA_ARCHS="$(or $(ARCHS),75;80;89;90;100f;120f)" && \
	  PATH="$(CURDIR)/$(CUDA)/bin:$$PATH" cmake --build build/cuda --target cuda_images cuda_smoke --parallel 2 && \
	  $(CUDA)/bin/python tools/cuda/gate.py build/cuda $(ARGS); \
	else \
	  echo "not checked: the GPU's kernels, since their compiler cannot be had (is PyPI within reach?)"; \
	  test "$$OSSNB_CUDA" != required; \
	fi

# auditwheel names the oldest glibc whose symbols suffice; so pip and an index know where the wheel runs.
wheel: $(STAMP)-core $(STAMP)-wheel  ## build the wheel, and let it answer in an environment of its own
	@rm -rf build/wheel build/raw-wheel
	$(RUN) -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation -w build/raw-wheel .
	@if [ "$$(uname -s)" = Linux ]; then \
	  PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) -m auditwheel repair -w build/wheel build/raw-wheel/ossnb-*.whl; \
	else mv build/raw-wheel build/wheel; fi
	$(RUN) tools/check_wheel.py build/wheel

lint: $(STAMP)-lint  ## check style and types
	$(RUN) -m ruff check --no-cache .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	MYPYPATH=python $(RUN) -m mypy.stubtest ossnb._core --mypy-config-file pyproject.toml
	$(VENV)/bin/clang-format --dry-run -Werror $(CPP) $(CPP_TESTS)

format: $(STAMP)-lint  ## put every file into the style that lint checks
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
	$(VENV)/bin/clang-format -i $(CPP) $(CPP_TESTS)

tidy: $(STAMP)-lint  ## look for mistakes in the C++ sources with clang-tidy
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cmake -G Ninja -S . -B build/tidy --log-level=ERROR -DOSSNB_BUILD_TESTS=ON -DOSSNB_UNITY=OFF \
	  -DPython_EXECUTABLE=$(CURDIR)/$(RUN) -Dpybind11_DIR="$$($(RUN) -m pybind11 --cmakedir)"
	$(RUN) $(VENV)/bin/run-clang-tidy.py -clang-tidy-binary $(VENV)/bin/clang-tidy -p build/tidy -j 2 -quiet \
	  -extra-arg=-Wno-unknown-warning-option $(or $(ARGS),'/cpp/(?!kernels/(x86|arm)/)')

# The compiler of JavaScript's types and the checker of pages for all readers come from npm and stay in build/.
# Where npm is missing this says so.
ifneq ($(shell command -v npm 2>/dev/null),)
axe: $(AXE)/node_modules/axe-core/axe.min.js

types: $(TYPESCRIPT)/node_modules/.bin/tsc  ## check the types of the views' scripts (apt install npm)
	$< -p tools/tsconfig.json
else
axe:
	@echo "not checked: whether everybody can read the views, since npm is not here (apt install npm)"
	@test "$$OSSNB_NPM" != required

types:
	@echo "not checked: the types of the views' scripts, since npm is not here (apt install npm)"
	@test "$$OSSNB_NPM" != required
endif

NPM_INSTALL = npm install --silent --no-save --no-audit --no-fund --prefix

$(TYPESCRIPT)/%:
	$(NPM_INSTALL) $(TYPESCRIPT) typescript@$(TYPESCRIPT:build/typescript-%=%)

$(AXE)/%:
	$(NPM_INSTALL) $(AXE) axe-core@$(AXE:build/axe-core-%=%)

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

$(STAMP)-core: $(STAMP)-new pyproject.toml CMakeLists.txt $(wildcard cmake/*) $(CPP)
	@$(SETUP) $(VENV) core
	@touch $@

$(STAMP)-%: pyproject.toml | $(STAMP)-core
	@$(SETUP) $(VENV) $*
	@touch $@

$(ORACLE)/stamp: tools/oracle/requirements.txt | $(STAMP)-test
	@$(SETUP) $(ORACLE) new see=$(VENV) $<
	@touch $@

$(CUDA)/stamp: $(wildcard tools/cuda/*.txt)
	@$(SETUP) $(CUDA) new $(if $(findstring release 13.0,$(shell nvcc --version 2>&1)),,tools/cuda/compiler.txt) \
	  tools/cuda/requirements.txt
	@touch $@
