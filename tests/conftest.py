"""What all tests share: which build of the engine they run on, and which of them are quick."""

from __future__ import annotations

import importlib.util
import os
import sys

NAME = "ossnb._core"


def take_core(path):
    """Put another build of the C++ engine in the place of the installed one, before anything imports that."""
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


if "OSSNB_CORE" in os.environ:
    take_core(os.environ["OSSNB_CORE"])


def pytest_report_header():
    return f"engine: {os.environ['OSSNB_CORE']}" if "OSSNB_CORE" in os.environ else None
