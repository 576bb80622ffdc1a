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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


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
        print(f"-- {folder}: {step}", flush=True)
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
