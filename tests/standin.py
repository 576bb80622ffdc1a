"""The driver that stands in for NVIDIA's and runs the kernels on the CPU (tests/cuda_host): how it is built,
what a process needs to find it, and how a test changes what it says."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "machines" / "native"  # with test_other_machines.py, which has the same engine
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def command(*words: object, timeout: float = 570, environment: dict[str, str] | None = None) -> str:
    """Run a program and return what it printed; AssertionError with everything where it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PATH": PATH, **(environment or {})},
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(*targets: str) -> Path:
    """Build targets of tests/cuda_host, one process at a time, and return the folder that has them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        options = ["-DOSSNB_BUILD_PYTHON=OFF", "-DOSSNB_BUILD_TESTS=ON", "-DOSSNB_CUDA_HOST=ON"]
        command("cmake", "-G", "Ninja", "-S", ROOT, "-B", BUILD, *options)
        command("cmake", "--build", BUILD, "--parallel", "2", "--target", *targets)
    return BUILD / "tests" / "cuda_host"


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """What a process needs to find the stand-in; `folder` takes a file that stands for the kernels. Settings
    are those of tests/cuda_host/standin.h: cards=2, memory=16e9."""
    driver = build("cuda_standin") / "libcuda_standin.so"
    (folder / "kernels.bin").write_text("stand-in")
    wishes = {f"OSSNB_STANDIN_{name.upper()}": str(value) for name, value in settings.items()}
    return {
        "OSSNB_CUDA_DRIVER": str(driver),
        "OSSNB_CUDA_KERNELS": str(folder / "kernels.bin"),
        **wishes,
    }


@contextlib.contextmanager
def saying(**settings: object) -> Iterator[None]:
    """Have the stand-in of this process say other things: memory=1e9, fault="cuMemAlloc:3:2"."""
    usual = {"cards": 1, "memory": 8e9, "capability": "8.9", "name": "Stand-in", "fault": "", "vanish": ""}
    library = ctypes.CDLL(os.environ["OSSNB_CUDA_DRIVER"])
    for name, value in settings.items():
        assert library.standin_set(name.upper().encode(), str(value).encode()) == 0, name
    try:
        yield
    finally:
        for name in settings:
            library.standin_set(name.upper().encode(), str(usual[name]).encode())
