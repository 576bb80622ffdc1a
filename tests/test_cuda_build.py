"""How CMake makes machine code for GPUs, with programs that stand in for nvcc and ptxas."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KERNELS = sorted(path.stem for path in (ROOT / "cpp" / "ops" / "cuda").glob("*.cu"))
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# Each writes what the real one writes, and one line into a log.
NVCC = """#!/bin/sh
if [ "$1" = --version ]; then echo "Cuda compilation tools, release {release}, V{release}.1"; exit; fi
while [ $# -gt 1 ]; do
  case $1 in -o) out=$2;; -MF) depfile=$2;; -gencode=*) arch=${{1##*_}};; esac
  shift
done
echo "nvcc $(basename $1) $arch" >> {log}
printf '//\\n.version 9.0\\n.target sm_%s; [x]\\n' $arch > $out
echo "$out : $1 {header}" > $depfile
"""
PTXAS = """#!/bin/sh
if [ "$1" = --version ]; then echo "Cuda compilation tools, release {release}, V{release}.1"; exit; fi
echo "ptxas $1" >> {log}
for file; do case $file in *.ptx) ptx=$file;; esac; done
if [ -e {refuse} ]; then echo "ptxas fatal: no such instruction" >&2; exit 1; fi
while [ $# -gt 1 ]; do [ "$1" = -o ] && cp $ptx $2; shift; done
echo "ptxas info: Used 40 registers" >&2
"""


@pytest.fixture
def tools(tmp_path):
    def make(nvcc="13.0", ptxas="12.9"):
        names = {"log": tmp_path / "log", "header": tmp_path / "header.h", "refuse": tmp_path / "refuse"}
        names["header"].touch()
        names["log"].touch()
        for name, text, release in (("nvcc", NVCC, nvcc), ("ptxas", PTXAS, ptxas)):
            (tmp_path / name).write_text(text.format(release=release, **names))
            (tmp_path / name).chmod(0o755)
        return [f"-DOSSNB_NVCC={tmp_path / 'nvcc'}", f"-DOSSNB_PTXAS={tmp_path / 'ptxas'}"]

    return make


def cmake(*arguments, **environment):
    command = ["cmake", *map(str, arguments)]
    env = {**os.environ, "PATH": PATH, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)


def configure(build, *options):
    options = ("-DOSSNB_BUILD_PYTHON=OFF", *options)  # a later one wins
    return cmake("-G", "Ninja", "-S", ROOT, "-B", build, *options)


def compile_(build):
    return cmake("--build", build, "--target", "cuda_images", "--parallel", "2")


def log_of(tmp_path):
    """What ran since the last call."""
    lines = (tmp_path / "log").read_text().split("\n")[:-1]
    (tmp_path / "log").write_text("")
    return sorted(lines)


@pytest.fixture
def build(tmp_path, tools):
    done = configure(tmp_path / "build", "-DOSSNB_CUDA=ON", "-DOSSNB_CUDA_ARCHS=75;90;120f", *tools())
    assert done.returncode == 0, done.stderr
    assert "GPU kernels: 75;90;120f (nvcc 13.0, ptxas 12.9)" in done.stdout
    assert "driver 580" not in done.stdout
    done = compile_(tmp_path / "build")
    assert done.returncode == 0, done.stdout
    return tmp_path / "build"


def test_every_kernel_for_every_architecture(build, tmp_path):
    assert log_of(tmp_path) == sorted(
        [f"nvcc {name}.cu {ptx}" for name in KERNELS for ptx in ("75", "90")]
        + [f"ptxas -arch=sm_{arch}" for _ in KERNELS for arch in ("75", "90", "120f")]
    )
    for name in KERNELS:
        newest = (build / "cuda" / f"{name}.90.ptx").read_text()
        assert newest == "//\n.version 8.3\n.target sm_90; [x]\n", "a label that older drivers read"
        assert (build / "cuda" / f"{name}.120f.cubin").read_text() == newest
        assert (build / "cuda" / f"{name}.75.txt").read_text() == "ptxas info: Used 40 registers\n"
    listed = (build / "cuda" / "images.inc").read_text()
    assert listed.count("false") == 3 * len(KERNELS)
    assert listed.count("true") == 2 * len(KERNELS), "for cards whose driver refuses the code"


def test_only_what_changed_is_made_again(build, tmp_path):
    log_of(tmp_path)
    compile_(build)
    assert log_of(tmp_path) == []
    (tmp_path / "header.h").touch()  # which every kernel includes
    compile_(build)
    assert len(log_of(tmp_path)) == 5 * len(KERNELS)


def test_the_assemblers_message_is_shown(build, tmp_path):
    (tmp_path / "refuse").touch()
    (tmp_path / "header.h").touch()
    done = compile_(build)
    assert done.returncode != 0
    assert "ptxas fatal: no such instruction" in done.stdout


def test_another_assembler_tells_which_driver(tmp_path, tools):
    done = configure(tmp_path / "build", "-DOSSNB_CUDA=ON", "-DOSSNB_CUDA_ARCHS=90", *tools(ptxas="13.0"))
    assert "makes code for driver 580 and newer" in done.stdout
    compile_(tmp_path / "build")
    assert ".version 8.3\n" in (tmp_path / "build" / "cuda" / f"{KERNELS[0]}.90.ptx").read_text()


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"nvcc": "11.5"}, "has version '11.5', expected 12.9 to 13"),
        ({"nvcc": "14.0"}, "has version '14.0', expected 12.9 to 13"),
        ({"ptxas": "12.0"}, "has version '12.0', expected 12.9 or newer"),
    ],
)
def test_tools_that_do_not_fit(tmp_path, tools, versions, reason):
    done = configure(tmp_path / "on", "-DOSSNB_CUDA=ON", *tools(**versions))
    told = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert reason in told
    assert "`make cuda` installs what is needed" in told


def test_off_asks_for_no_compiler(tmp_path, tools):
    done = configure(tmp_path / "build", "-DOSSNB_CUDA=OFF", *tools(nvcc="1.0"))
    assert done.returncode == 0
    assert "GPU" not in done.stdout


def test_a_build_for_tests_has_no_kernels(tmp_path, tools):
    done = configure(tmp_path / "build", *tools())
    assert done.returncode == 0
    assert "GPU kernels: none in this build" in done.stdout


def test_where_no_compiler_fits_the_extension_has_no_kernels(tmp_path, tools):
    pybind11 = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    python = [
        "-DOSSNB_BUILD_PYTHON=ON",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11}",
        f"-DOSSNB_CUDA_BUILD={tmp_path / 'kernels'}",
    ]
    done = configure(tmp_path / "build", *python, *tools(nvcc="11.5"))
    assert done.returncode == 0, done.stderr
    assert "GPU kernels: none, since" in done.stdout
    done = configure(tmp_path / "build", *python, *tools())
    assert "GPU kernels: 75;80;89;90;100f;120f (nvcc 13.0, ptxas 12.9)" in done.stdout
    # They are made in a build of their own, which `make cuda` checks, and once.
    log_of(tmp_path)
    for n_made in (9 * len(KERNELS), 0):
        done = compile_(tmp_path / "build")
        assert done.returncode == 0, done.stdout
        assert len(log_of(tmp_path)) == n_made
    assert (tmp_path / "kernels" / "cuda" / "images.inc").read_text().count("IMAGE(") == 9 * len(KERNELS)
