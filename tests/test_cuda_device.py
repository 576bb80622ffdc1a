"""A model on a card: that of the stand-in, which runs the kernels on the CPU, and a real one where one is.

The tests themselves are in on_cuda.py and on_standin.py, and run in processes of their own: a process looks
for a driver once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ossnb.devices import cards
from standin import command, environment

TESTS = Path(__file__).parent

# What a process says of a machine whose driver or card cannot be used.
LOOK = """
import ossnb
from ossnb.command import doctor
with ossnb.load("demo") as model:
    print(model.device)
try:
    ossnb.load("demo", device="cuda")
except ossnb.DeviceError as error:
    print(error)
print(doctor.render(doctor.examine()))
"""


def run_tests(file, environment):
    told = command(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", TESTS / file),
        environment=environment,
    )
    assert " passed" in told
    assert "skipped" not in told


def look(environment):
    """The device that was taken, why the card was not, doctor's line, and standard error."""
    told = command(
        sys.executable, "-c", "import sys; sys.stderr = sys.stdout\n" + LOOK, environment=environment
    )
    return told


def test_the_bits_of_the_cpu_on_the_standin(tmp_path):
    run_tests("on_cuda.py", environment(tmp_path, memory=16e9))


def test_what_every_device_must_do_on_the_standin(tmp_path):
    run_tests("on_devices.py", {**environment(tmp_path, memory=16e9), "OSSNB_TEST_DEVICE": "cuda"})


def test_bad_moments_on_the_standin(tmp_path):
    run_tests("on_standin.py", environment(tmp_path))


@pytest.mark.cuda
@pytest.mark.skipif(cards.look().is_bare, reason="this machine has no card that the driver gives")
def test_the_bits_of_the_cpu_on_this_machine_s_card():
    run_tests("on_cuda.py", {})
    run_tests("on_devices.py", {"OSSNB_TEST_DEVICE": "cuda"})


# ---- machines without a card that can be used --------------------------------------------------------------


def test_a_machine_without_a_driver_says_nothing_until_it_is_asked(tmp_path):
    told = look({"OSSNB_CUDA_DRIVER": str(tmp_path / "none.so")}).splitlines()
    assert told[0] == "cpu"
    assert told[1].startswith("device cuda:0: there is no NVIDIA driver (")
    assert told[1].endswith('; install it, or use device="cpu"')
    (line,) = (line for line in told if line.startswith("GPU "))
    assert line.startswith("GPU        not used: there is no NVIDIA driver (")


def test_a_driver_that_sees_no_card(tmp_path):
    told = look(environment(tmp_path, cards=0)).splitlines()
    assert told[0] == "cpu"
    assert "the NVIDIA driver sees no card" in told[1]
    assert "CUDA_VISIBLE_DEVICES names a card" in told[1]


def test_a_driver_that_is_too_old_is_told(tmp_path):
    told = look(environment(tmp_path, version=11040)).splitlines()
    assert told[0].startswith("the NVIDIA driver is too old: it supports CUDA 11.4")
    assert told[0].endswith("; the CPU computes")
    assert told[1] == "cpu"
    assert told[2].startswith("device cuda:0: the NVIDIA driver is too old")
    assert "update the NVIDIA driver to 525 or newer" in told[2]


def test_a_card_that_is_too_old_is_told(tmp_path):
    told = look(environment(tmp_path, capability="6.1", name="GTX 1080")).splitlines()
    why = "its compute capability is 6.1, and 7.5 or later is needed"
    assert told[0] == f"cuda:0 (GTX 1080) is not used: {why}; the CPU computes"
    assert told[1] == "cpu"
    assert told[2] == f'cuda:0 (GTX 1080) cannot be used: {why}; or use device="cpu"'
    (line,) = (line for line in told if line.startswith("cuda:0 ") and "capability 6.1" in line)
    assert line.endswith(f"not used: {why}")
