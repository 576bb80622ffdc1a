"""Make a virtual environment and install ossnb and requirements into it: what `make` runs.

    python3 tools/setup_env.py .venv new          # the environment
    python3 tools/setup_env.py .venv core         # build the C++ core and install ossnb, editable
    python3 tools/setup_env.py .venv test lint    # the requirements of extras in pyproject.toml
    python3 tools/setup_env.py other new see=.venv r.txt    # one that sees .venv, and a file's packages

Needs Python alone; what the machine lacks is told in a sentence.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)

# What a step does, and how long. A step happens once, and again when what it was made from changes.
STEPS = {
    "new": "making a Python environment in {folder}; nothing is installed outside it",
    "core": "building the C++ engine: some minutes the first time, later only what has changed",
    "test": "installing what notebooks and tests need from PyPI: a minute or two",
    "lab": "installing JupyterLab from PyPI: a minute",
    "lint": "installing the tools of `make lint` from PyPI: a minute",
    "wheel": "installing auditwheel from PyPI: some seconds",
    "docs": "installing what `make docs` needs from PyPI: a minute",
}
TELL_EVERY_S = 30  # where there is no terminal to redraw a line on


def stop(message):
    raise SystemExit("error: " + message)


def check_python():
    if sys.version_info < OLDEST:
        stop(
            f"ossnb needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and {sys.executable} is "
            f"{sys.version_info[0]}.{sys.version_info[1]}; name another one: make PYTHON=python3.12 ..."
        )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        stop(f"{header} is missing; install Python's headers (Debian and Ubuntu: apt install python3-dev)")


def check_compiler():
    """Compile one C++20 line, so that a missing or old one is told in a sentence, not a CMake log."""
    named = os.environ.get("CXX")
    found = [named] if named else [name for name in ("c++", "g++", "clang++") if shutil.which(name)]
    if not found:
        stop("no C++ compiler found; install g++ 12 or clang++ 15 or newer, or name one: CXX=g++-12 make ...")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text("#include <span>\nstatic_assert(__cplusplus > 201703L);\nint main() {}\n")
        command = [*shlex.split(found[0]), "-std=c++20", "-fsyntax-only", str(source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            stop(f"CXX={found[0]} does not run: {error}")
    if done.returncode != 0:
        stop(f"{found[0]} does not compile C++20; install g++ 12 or clang++ 15 or newer\n{done.stderr}")


class Clock:
    """Shows how long a step has been going on, so that silence does not look like a standstill."""

    def __init__(self):
        self._began, self._over = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()
        if sys.stdout.isatty():
            print("\r\x1b[K", end="", flush=True)

    @property
    def seconds(self):
        return round(time.monotonic() - self._began)

    def _tick(self):
        is_tty = sys.stdout.isatty()
        while not self._over.wait(1 if is_tty else TELL_EVERY_S):
            line = f"   … {self.seconds} s"
            print(f"\r{line}" if is_tty else line, end="" if is_tty else "\n", flush=True)


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def pip(python, *arguments):
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", *arguments)


def make_venv(folder):
    if (ROOT / folder / "bin" / "python").exists():
        return
    done = subprocess.run([sys.executable, "-m", "venv", str(folder)], cwd=ROOT, check=False)
    if done.returncode != 0:
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        stop(f"`{sys.executable} -m venv` failed (Debian and Ubuntu: apt install python3-venv)")


def install_core(python, project):
    """Build in the environment itself, not in a throw-away one: paths stay, so only changes compile."""
    check_compiler()
    pip(python, *project["build-system"]["requires"], "cmake>=3.25", "ninja")
    pip(python, "--no-build-isolation", "--editable", ".")


def site_packages(folder):
    python, ask = ROOT / folder / "bin" / "python", "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def see(folder, other):
    """Let one environment import what another has, editable installs included; its own packages win."""
    line = f"import site; site.addsitedir({str(site_packages(other))!r})"
    (site_packages(folder) / "zz_see_other.pth").write_text(line + "\n")


def main(arguments):
    check_python()
    import tomllib  # after the check: older Pythons have none

    folder, *steps = arguments
    python = ROOT / folder / "bin" / "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for step in steps:
        print(f"-- {STEPS.get(step, '{folder}: ' + step).format(folder=folder)}", flush=True)
        with Clock() as clock:
            take(step, folder, python, project)
        print(f"   done in {clock.seconds} s", flush=True)


def take(step, folder, python, project):
    if step == "new":
        make_venv(folder)
    elif step == "core":
        install_core(python, project)
    elif step.startswith("see="):
        see(folder, step.removeprefix("see="))
    elif step.endswith(".txt"):
        pip(python, "--requirement", step)
    else:
        pip(python, *project["project"]["optional-dependencies"][step])


if __name__ == "__main__":
    main(sys.argv[1:])
