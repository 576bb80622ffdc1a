"""`import ossnb` is quick and brings nothing heavy along."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ossnb

HEAVY = (
    "huggingface_hub",
    "openai_harmony",
    "IPython",
    "ipywidgets",
    "anywidget",
    "rich",
    "numpy",
    "ossnb._core",
)


def python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return run.stdout.strip()


def test_import_takes_less_than_0_15_s():
    """Of processor time: a busy machine is no failure."""
    code = "import time; t = time.process_time(); import ossnb; print(time.process_time() - t)"
    assert min(float(python(code)) for _ in range(5)) < 0.15


def test_import_brings_nothing_heavy():
    loaded = python("import sys, ossnb; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)


def test_every_public_name_is_there_and_is_no_module():
    code = "import ossnb\nfor name in ossnb.__all__: print(name, type(getattr(ossnb, name)).__name__)"
    kinds = dict(line.split() for line in python(code).splitlines())
    assert set(kinds) == set(ossnb.__all__)
    assert "module" not in kinds.values()
    assert kinds["generate"] == kinds["load"] == "function"
    assert set(ossnb.__all__) <= set(dir(ossnb))


def test_submodules_do_not_hide_functions_of_the_same_name():
    code = (
        "import ossnb, ossnb.loader, ossnb.model, ossnb.chat, ossnb.generation\n"
        "print(callable(ossnb.generate), callable(ossnb.load))"
    )
    assert python(code) == "True True"


def test_the_module_for_tests_needs_no_import_of_its_own():
    assert python("import ossnb; print(callable(ossnb.testing.write_random_checkpoint))") == "True"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ossnb' has no attribute 'lod'"):
        ossnb.lod  # noqa: B018


def test_the_version_is_the_packages():
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert ossnb.__version__ == pyproject["project"]["version"]


def test_importing_inside_ipython_offers_the_magics():
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('import ossnb')\n"
        "print('oss' in shell.magics_manager.magics['cell'], 'oss' in shell.magics_manager.magics['line'])\n"
    )
    assert python(code).splitlines()[-1] == "True True"


def test_importing_outside_ipython_offers_nothing_and_loads_no_ipython():
    assert python("import IPython, ossnb, sys; print('ossnb.notebook' in sys.modules)") == "False"
