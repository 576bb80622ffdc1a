"""A second device (tests/cpp/plain_device.cpp) behind the same seams: the same bits through all of them."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "plain"  # kept: a second run compiles what changed
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def run(*command, timeout=570):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PATH": PATH},
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def extension():
    """ossnb._core with the plain device; built by one test process while others wait."""
    BUILD.mkdir(parents=True, exist_ok=True)
    pybind11 = run(sys.executable, "-m", "pybind11", "--cmakedir").strip()
    options = ["-DOSSNB_BUILD_PYTHON=OFF", "-DOSSNB_BUILD_PLAIN=ON"]
    options += [f"-Dpybind11_DIR={pybind11}", f"-DPython_EXECUTABLE={sys.executable}"]
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "-G", "Ninja", "-S", ROOT, "-B", BUILD, *options)
        run("cmake", "--build", BUILD, "--parallel", "2")
    (found,) = BUILD.glob("_core*.so")
    return found


def test_a_second_device_gives_the_bits_of_the_first(extension):
    told = run(sys.executable, ROOT / "tests" / "plain.py", extension, "-q", ROOT / "tests" / "on_devices.py")
    assert " passed" in told
    assert "skipped" not in told
