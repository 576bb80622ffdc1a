"""Run a program with the extension that knows a second device in the place of ossnb._core:

python tests/plain.py EXTENSION PROGRAM [ARGUMENT ...]
"""

import importlib.util
import runpy
import sys

_, extension, program, *arguments = sys.argv
spec = importlib.util.spec_from_file_location("ossnb._core", extension)
assert spec is not None and spec.loader is not None  # noqa: PT018
module = importlib.util.module_from_spec(spec)
sys.modules["ossnb._core"] = module
spec.loader.exec_module(module)
sys.argv = [program, *arguments]
runpy.run_path(program, run_name="__main__")
