"""Run pytest with an extension that knows a second device in the place of ossnb._core.

python tests/plain.py EXTENSION [ARGUMENT OF PYTEST ...]
"""

import importlib.util
import sys

import pytest

spec = importlib.util.spec_from_file_location("ossnb._core", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["ossnb._core"] = module
spec.loader.exec_module(module)
sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[2:]]))
