"""The check of the GPU's machine code, on reports and disassemblies of real kernels."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(__file__).parent / "data" / "cuda"  # kernels.cu says what it has
ARCHS = ("80", "120f")
HEAD = b"\x7fELF\x02\x01\x01\x33%c" + bytes(7) + b"\x02\x00\xbe\x00"  # of machine code with that ABI


@pytest.fixture
def build(tmp_path):
    """A folder as CMake leaves it, with the texts that the tools wrote."""
    folder = tmp_path / "cuda"
    shutil.copytree(DATA, folder)
    for arch in ARCHS:
        (folder / f"kernels.{arch}.cubin").write_bytes(HEAD % (7 if arch == "80" else 8))
        (folder / f"kernels.{arch}.sass").touch()  # newer than the code, so it is not made again
    (folder / "tools.txt").write_text("nvcc 13.0, ptxas 12.9\n")
    list_images(folder, ARCHS)
    return tmp_path


def list_images(folder, archs):
    lines = [
        f'IMAGE(kernels_{arch}, "kernels", {arch.rstrip("f")}, false, "{folder}/kernels.{arch}.cubin")\n'
        for arch in archs
    ]
    lines.append(f'IMAGE(kernels_ptx, "kernels", 80, true, "{folder}/kernels.80.ptx")\n')
    (folder / "images.inc").write_text("".join(lines))


def gate(build, *flags):
    """(exit status, what it printed, its faults)"""
    command = [sys.executable, ROOT / "tools" / "cuda" / "gate.py", build, "--sources", build / "cuda",
               "--bounds", build / "bounds.json", *flags]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr.strip().splitlines()


def bounds(build):
    return json.loads((build / "bounds.json").read_text())


def store(build, name, arch, price):
    stored = bounds(build)
    stored["prices"].setdefault(name, {})[arch] = price
    (build / "bounds.json").write_text(json.dumps(stored))


@pytest.fixture
def sound(build):
    """A build without the kernel that spills, whose loops have bounds."""
    for path in (build / "cuda").glob("*.txt"):
        text = re.sub(r"[1-9]\d* bytes (stack|spill|cumul)", r"0 bytes \1", path.read_text())
        path.write_text(text)
    assert gate(build, "--write")[0] == 0
    return build


def test_a_line_for_each_kernel_and_architecture(sound):
    status, told, _ = gate(sound)
    assert status == 0
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in told.splitlines()[1:] if line[:1].isalpha()}
    # threads, registers, shared memory, blocks and warps at once, room
    assert rows["sums", "80"][:6] == ["64", "21", "1024", "32", "64/64", "3.1"]
    assert rows["sums", "120f"][3:6] == ["24", "48/48", "2.2"]
    assert rows["crowded", "80"][:5] == ["512", "40", "0", "3", "48/64"]
    assert rows["copies", "80"][6:] == ["-", "-", "-"]
    assert "ELF ABI 7 for 80; 8 for 120f" in told
    assert "4 kernels for 80, 120f" in told
    assert "sums" not in gate(sound, "--only", "crow")[1]


def test_the_main_loop_is_counted(sound):
    kernels = json.loads((sound / "report.json").read_text())["kernels"]
    for arch in ARCHS:
        loop = kernels["sums"][arch]["loop"]
        assert (loop["instructions"], loop["kinds"]["FFMA"], loop["price"]) == (23, 4, 5.75)
        assert kernels["copies"][arch]["loop"] is None
        meets = kernels["meets"][arch]["loop"]  # not the long way for threads that are apart
        assert (meets["kinds"]["SHFL"], meets["kinds"].get("CALL")) == (2, None)
        assert meets["instructions"] == (14 if arch == "80" else 11)
        assert kernels["crowded"][arch]["loop"]["kinds"]["FFMA"] == 1
    assert bounds(sound)["prices"]["sums"] == {"80": 5.75, "120f": 5.75}


def test_spills_and_stack_frames_are_faults(build):
    gate(build, "--write")
    status, _, faults = gate(build)
    assert status == 1
    *spilled, count = faults
    assert count == f"{len(spilled)} faults"
    pattern = (
        r"crowded keeps bytes in memory: \d+ of stack frame, [1-9]\d* of spill stores, \d+ of loads for 80; "
    )
    assert re.match(pattern, spilled[0])
    assert all(fault.startswith("crowded keeps") for fault in spilled)


def test_a_kernel_that_an_architecture_lacks_is_a_fault(sound):
    report = sound / "cuda" / "kernels.80.txt"
    report.write_text(report.read_text().replace("'copies'", "'other'"))
    sass = sound / "cuda" / "kernels.80.sass"
    sass.write_text(sass.read_text().replace(".text.copies", ".text.other"))
    ptx = sound / "cuda" / "kernels.80.ptx"
    ptx.write_text(ptx.read_text() + ".visible .entry other(\n)\n.maxntid 32\n")
    faults = gate(sound)[2]
    assert "copies has no code for 80" in faults
    assert "other has no code for 120f" in faults


def test_a_kernel_in_the_sources_alone_is_a_fault(sound):
    (sound / "cuda" / "new.cu").write_text("OSSNB_KERNEL(new_one, Rows, 32) {}\n")
    assert "new_one has no code for 80, 120f" in gate(sound)[2]


def test_a_kernel_that_does_not_wait_for_its_turn_is_a_fault(sound):
    folder = sound / "cuda"
    shutil.copy(folder / "kernels.80.ptx", folder / "kernels.90.ptx")  # so 120f is made of PTX that waits
    code = (folder / "kernels.120f.sass").read_text()
    first = re.compile(r"(\.section\s+\.text\.(\w+),.*?\n)(?=\s+/\*0000\*/)", re.DOTALL)
    wait, load = "        /*0000*/  ACQBULK ;\n", "        /*0000*/  LDG.E R2, [R4] ;\n"
    names = [match[2] for match in first.finditer(code)]
    assert len(names) > 2
    for hasty, put in (
        (names, {}),
        (names[:1], dict.fromkeys(names[1:], wait)),
        (names[:1], dict.fromkeys(names, wait) | {names[0]: load + wait}),
        ([], dict.fromkeys(names, wait)),
    ):
        text = first.sub(lambda match, put=put: match[1] + put.get(match[2], ""), code)
        (folder / "kernels.120f.sass").write_text(text)
        status, _, faults = gate(sound)
        told = f"{', '.join(sorted(hasty))} would touch memory before its turn; OSSNB_KERNEL waits first"
        assert (status != 0, told in faults) == (bool(hasty), bool(hasty))


def test_a_loop_above_its_bound_is_a_fault(sound):
    store(sound, "sums", "80", 5.70)  # within what a loop may grow
    assert gate(sound)[0] == 0
    store(sound, "sums", "80", 5.50)
    status, _, faults = gate(sound)
    assert status == 1
    assert faults[0].startswith(
        "sums for 80: 5.75 instructions in the main loop for one of its work, expected at"
    )
    assert "make cuda ARGS=--write" in faults[0]
    assert len(faults) == 2
    assert gate(sound, "--write")[0] == 0
    assert gate(sound)[0] == 0


def test_bounds_fit_the_kernels(sound):
    store(sound, "gone", "80", 3.0)
    del (stored := bounds(sound))["prices"]["sums"]["120f"]
    (sound / "bounds.json").write_text(json.dumps(stored))
    faults = gate(sound)[2]
    assert any(fault.startswith("bounds are stored for gone, which have no such loop") for fault in faults)
    assert any(fault.startswith("no bound is stored for the main loops of sums;") for fault in faults)
    gate(sound, "--write")
    assert set(bounds(sound)["prices"]) == {"crowded", "meets", "sums"}


def test_some_architectures_keep_the_bounds_of_the_others(sound):
    store(sound, "sums", "120f", 9.0)
    list_images(sound / "cuda", ["80"])
    assert gate(sound, "--write")[0] == 0
    assert bounds(sound)["prices"]["sums"] == {"80": 5.75, "120f": 9.0}


def test_other_tools_have_other_bounds(sound):
    store(sound, "sums", "80", 1.0)
    (sound / "cuda" / "tools.txt").write_text("nvcc 13.2, ptxas 13.2\n")
    status, told, _ = gate(sound)
    assert status == 0
    assert "not compared: their bounds are those of nvcc 13.0, ptxas 12.9" in told


def test_code_that_old_drivers_refuse_is_a_fault(sound):
    (sound / "cuda" / "kernels.80.cubin").write_bytes(HEAD % 8)
    (sound / "cuda" / "kernels.80.sass").touch()
    assert any("80 has a newer ELF ABI than 7" in fault for fault in gate(sound)[2])


@pytest.mark.parametrize("bytes", [b"", b"text", HEAD.replace(b"\xbe", b"\x3e") % 7])
def test_a_file_that_is_no_machine_code_is_named(sound, bytes):
    (sound / "cuda" / "kernels.80.cubin").write_bytes(bytes)
    (sound / "cuda" / "kernels.80.sass").touch()
    status, _, faults = gate(sound)
    assert status == 1
    assert faults[0].startswith("error:")
    assert "kernels.80.cubin is not machine code of a GPU" in faults[0]


def test_a_branch_to_nowhere_is_named(sound):
    sass = sound / "cuda" / "kernels.80.sass"
    sass.write_text(re.sub(r"BRA `\(\.L_x_\d+\)", "BRX R4 -0x1b0", sass.read_text()))
    status, _, faults = gate(sound)
    assert status == 1
    assert re.match(r"error: \w+ has a BRX to ", faults[0])


def test_a_kernel_without_a_number_of_threads_is_named(sound):
    ptx = sound / "cuda" / "kernels.80.ptx"
    ptx.write_text(ptx.read_text().replace(".maxntid", ".reqntid"))
    assert "does not say how many threads a block has" in gate(sound)[2][0]
