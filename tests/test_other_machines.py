"""The kernels and a tiny model on processors that are not this one: Arm, x86 before AVX, AVX-512, AMX.

tests/cpp/ is built for this machine and, by Debian's cross compiler, for Arm; QEMU runs it on each processor.
QEMU knows no AVX-512. So a third build has the instructions of every x86 level emulated in C++. Results are
compared bit by bit: within a machine by the program itself, between machines by hashes.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from ossnb import _core

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "machines"  # kept: a second run compiles what changed; standin.py shares "native"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
CROSS = [
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++",
]
OPTIONS = {"native": ["-DOSSNB_CUDA_HOST=ON"], "aarch64": CROSS, "emulated": ["-DOSSNB_EMULATE=ON"]}
PACKAGES = {"aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu", "objdump": "binutils"}

ARM = [("cortex-a53", "reference neon"), ("max", "reference neon neon_dot")]
X86 = [("Nehalem", "reference"), ("Haswell", "reference avx2")]
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates older x86 on x86")


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=PATH):
            package = PACKAGES.get(program, "qemu-user" if program.startswith("qemu") else program)
            pytest.skip(f"{program} is not here (Debian and Ubuntu: apt install {package})")


def run(*command, **env):
    env = {**os.environ, "PATH": PATH, **env}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=env)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@cache
def program(machine):
    """Path of compare_levels of one of OPTIONS; built by one test process while others wait."""
    need("cmake", "ninja", *(["aarch64-linux-gnu-g++"] if machine == "aarch64" else []))
    folder = BUILD / machine
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        options = ["-DOSSNB_BUILD_PYTHON=OFF", "-DOSSNB_BUILD_TESTS=ON", *OPTIONS[machine]]
        run("cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(folder), *options)
        run("cmake", "--build", str(folder), "--parallel", "2", "--target", "compare_levels")
    return str(folder / "compare_levels")


def emulated(machine, cpu):
    """The command line that runs compare_levels on that processor."""
    emulator = f"qemu-{platform.machine() if machine == 'native' else machine}"
    need(emulator)
    return [emulator, "-cpu", cpu, program(machine)]


@cache
def every_x86_level():
    """The command line of a compare_levels that has every x86 level, whatever this machine has."""
    if "avx2" not in _core.isa_levels():
        pytest.skip("AVX2 is emulated nowhere: the other levels are, on top of it")
    probe = ["c++", "-fsyntax-only", "-x", "c++", "-include", "simde/simde-common.h", os.devnull]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("SIMDe is not here (Debian and Ubuntu: apt install libsimde-dev)")
    return [program("emulated")]


def compare(command):
    """What compare_levels reports, by name; that nothing failed is checked by its exit status too."""
    *lines, tally = run(*command).splitlines()
    assert re.fullmatch(r"\d+ passed, 0 failed", tally)
    return {**dict(line.split(": ") for line in lines), "passed": int(tally.split()[0])}


@cache
def here():
    return compare([program("native")])


def forward_hashes(command):
    """{"rope": hash, ("mxfp4", "exact"): hash, ...}; the levels of one machine must agree."""
    found = {}
    for line in run(*command, "--forward").splitlines():
        *what, value = line.split()
        name = what[0] if len(what) == 1 else tuple(what[:2])
        assert found.setdefault(name, value) == value, line
    return found


@cache
def forward_here():
    return forward_hashes([program("native")])


def test_the_program_sees_the_levels_that_python_sees():
    levels = here()["levels"].split()
    assert levels == _core.isa_levels()
    assert here()["passed"] >= 200 * (len(levels) - 1)


@pytest.mark.parametrize(("cpu", "levels"), ARM)
def test_kernels_on_arm(cpu, levels):
    got = compare(emulated("aarch64", cpu))
    assert (got["levels"], got["chosen"]) == (levels, levels.split()[-1])
    assert got["passed"] >= 200 * levels.count("neon")
    assert got["reference"] == here()["reference"]


@on_x86
@pytest.mark.parametrize(("cpu", "levels"), X86)
def test_kernels_on_older_x86(cpu, levels):
    got = compare(emulated("native", cpu))
    assert (got["levels"], got["chosen"]) == (levels, levels.split()[-1])
    assert got["passed"] >= 200 * levels.count("avx2")
    assert got["reference"] == here()["reference"]


@on_x86
def test_kernels_of_every_x86_level():
    got = compare(every_x86_level())
    assert got["levels"] == "reference avx2 avxvnni avx512 avx512vnni amx"
    assert got["passed"] >= 200 * 5
    assert got["reference"] == here()["reference"]


@on_x86
def test_a_model_gives_the_same_logits_on_every_x86_level():
    assert forward_hashes(every_x86_level()) == forward_here()


@pytest.mark.parametrize("cpu", [cpu for cpu, _ in ARM])
def test_a_model_gives_the_same_logits_on_arm(cpu):
    got = forward_hashes(emulated("aarch64", cpu))
    assert len(got) == 5
    assert got == forward_here()


@on_x86
def test_a_model_gives_the_same_logits_on_older_x86():
    assert forward_hashes(emulated("native", "Nehalem")) == forward_here()


IMPORT = """
import numpy, ossnb
from ossnb import _core
print(*_core.isa_levels())
try:
    print(_core.kernels.exp("", numpy.zeros(1, numpy.float32))[0])
except ValueError as error:
    print(error)
"""


@on_x86
@pytest.mark.parametrize(("cpu", "levels"), X86)
def test_python_imports_on_older_x86(cpu, levels):
    need("qemu-x86_64")
    python = ["qemu-x86_64", "-cpu", cpu, sys.executable, "-c", IMPORT]
    assert run(*python, OSSNB_ISA="").splitlines() == [levels, "1.0"]
    assert run(*python, OSSNB_ISA="reference").splitlines() == [levels, "1.0"]
    refused = run(*python, OSSNB_ISA="avx512").splitlines()
    assert refused[0] == levels
    assert "'avx512'" in refused[1]
    assert refused[1].endswith(f"choose one of: {levels.replace(' ', ', ')}")


def instructions(objects):
    """(function, mnemonic) of all machine code."""
    function = ""
    for line in run("objdump", "--disassemble", "--demangle", "--no-show-raw-insn", *objects).splitlines():
        if header := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = header[1]
        elif code := re.match(r"\s+[0-9a-f]+:\s+(\w+)", line):
            yield function, code[1]


@on_x86
def test_new_instructions_stay_in_their_levels():
    """One AVX instruction in code that all machines run, say a library's inline function, stops old ones."""
    need("objdump")
    objects = [str(path) for path in Path(program("native")).parent.rglob("cpp/**/*.o")]
    inside, outside = set(), set()
    for function, mnemonic in instructions(objects):
        if mnemonic.startswith("v"):  # every AVX instruction's name does, and no older one's
            (inside if "_level::" in function else outside).add(function)
    assert len(inside) > 20
    assert not outside
