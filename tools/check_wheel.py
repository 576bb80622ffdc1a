"""Check the wheel in a folder: that it is small and whole, that pip takes its tag, that it answers, and which
GPUs it has kernels for.

check_wheel.py FOLDER          # all checks; the last one in a new environment outside the clone
check_wheel.py --answer        # only the last one, in this environment, as cibuildwheel calls it
"""

import fnmatch
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LARGEST_BYTES = 15_000_000
NEEDED = (
    "ossnb/_core*.so", "ossnb/_core.pyi", "ossnb/py.typed", "ossnb/data/demo.ossnb",
    "ossnb/data/MODEL_CARD.md", "ossnb/views/loader.js", "ossnb/views/static/strip.js",
    "ossnb/views/static/tokens.js",
)  # fmt: skip
GPUS = {75, 80, 89, 90, 100, 120}  # architectures that have machine code
NVIDIA = re.compile(r"\blib(cuda|nv)")
PROCESSORS = ("x86_64", "aarch64")  # of Linux, for which wheels are meant
QUESTION, ANSWER = "What is 17 + 25?", "17 + 25 = 42."


def check_contents(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    lacking = [pattern for pattern in NEEDED if not fnmatch.filter(names, pattern)]
    if lacking:
        raise SystemExit(f"{wheel.name} lacks {', '.join(lacking)}")
    n_bytes = wheel.stat().st_size
    if n_bytes > LARGEST_BYTES:
        raise SystemExit(f"{wheel.name} has {n_bytes:,} bytes, expected at most {LARGEST_BYTES:,}")
    print(f"{wheel.name}: {n_bytes / 1e6:.1f} MB, {len(names)} files")


def check_tag(wheel):
    """A wheel of Linux must have a manylinux tag that pip here takes: an index refuses plain linux_x86_64."""
    from packaging.tags import sys_tags
    from packaging.utils import parse_wheel_filename

    *_, tags = parse_wheel_filename(wheel.name)
    if sys.platform == "linux" and not all(tag.platform.startswith("manylinux") for tag in tags):
        raise SystemExit(f"{wheel.name} has no manylinux tag, so no index takes it; auditwheel gives one")
    if not tags & set(sys_tags()):
        raise SystemExit(f"{wheel.name} has tags that pip on this machine does not take")
    here = platform.machine()
    others = " and ".join(name for name in PROCESSORS if name != here)
    print(f"pip takes it on {here}. One for {others} was not built: that takes a machine of this kind, or")
    print(".github/workflows/wheels.yml")


def check_in_new_environment(wheel):
    """Install the wheel as a user does, in a folder that knows nothing of the clone, and let it answer."""
    with tempfile.TemporaryDirectory(prefix="ossnb-wheel-") as folder:
        python = Path(folder, "venv", "bin", "python")
        print(
            "installing it into a new environment outside the clone (a minute; packages come from PyPI) ..."
        )
        run(sys.executable, "-m", "venv", Path(folder, "venv"), cwd=folder)
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", wheel.resolve(), cwd=folder)
        run(python, "-I", Path(__file__).resolve(), "--answer", cwd=folder)


def run(*command, cwd):
    done = subprocess.run([str(part) for part in command], cwd=cwd, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def check_answer():
    """Ask the installed package, from Python and on its command line, with an empty cache."""
    import os

    with tempfile.TemporaryDirectory(prefix="ossnb-cache-") as cache:
        os.environ |= {"OSSNB_CACHE": cache, "OSSNB_LOG": "off"}
        import ossnb

        where = Path(ossnb.__file__).resolve()
        if Path(__file__).resolve().parents[1] in where.parents:
            raise SystemExit(f"ossnb comes from the clone ({where}), and not from the wheel")
        with ossnb.load("demo") as model:
            answer = model.generate(QUESTION, temperature=0).text
        command = [
            Path(sys.executable).parent / "ossnb",
            "run",
            "--model",
            "demo",
            "--temperature",
            "0",
            QUESTION,
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        for got in (answer, told.stdout.strip()):
            if got != ANSWER:
                raise SystemExit(f"asked {QUESTION!r}, got {got!r}, expected {ANSWER!r}\n{told.stderr}")
    print(f"{where.parent} answers: {ANSWER}")
    check_kernels()


def check_kernels():
    """The GPU's kernels are inside, where OSSNB_CUDA=required says so, and no library of CUDA is needed."""
    import os
    from collections import Counter

    from ossnb import _core

    n_bytes, n_ptx = Counter(), 0
    for _, arch, n, is_ptx in _core.cuda_images():
        n_bytes[arch] += n * (not is_ptx)
        n_ptx += is_ptx
    told = ", ".join(f"{arch}: {n / 1e6:.1f} MB" for arch, n in sorted(n_bytes.items())) or "none"
    print(f"machine code for GPUs: {told}; PTX of {n_ptx} files")
    if os.environ.get("OSSNB_CUDA") == "required" and (set(n_bytes) != GPUS or n_ptx == 0):
        raise SystemExit(
            f"expected machine code for {sorted(GPUS)} and PTX; `make cuda` says what is missing"
        )
    if shutil.which("ldd"):
        done = subprocess.run(["ldd", _core.__file__], capture_output=True, text=True, check=True)
        needed = [line.split()[0] for line in done.stdout.splitlines() if NVIDIA.search(line)]
        if needed:
            raise SystemExit(
                f"the extension needs {', '.join(needed)}; it must load on machines without CUDA"
            )


def main(arguments):
    if arguments == ["--answer"]:
        return check_answer()
    (wheel,) = Path(arguments[0]).glob("ossnb-*.whl")
    check_contents(wheel)
    check_tag(wheel)
    check_in_new_environment(wheel)


if __name__ == "__main__":
    main(sys.argv[1:])
