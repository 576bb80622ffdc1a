"""Which pages of a mapped file are in memory, and asking for those that are not."""

import mmap
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from ossnb import _core, load
from ossnb.testing import write_random_checkpoint


def mapped(path):
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def evict(path, mapping=None):
    """Ask the system to forget a file's pages; say whether it can (a file system in memory cannot)."""
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(np.random.default_rng(0).bytes(4_000_001))
    return path


def test_pages_just_read_are_there_and_nothing_is_asked_for(file):
    array = np.frombuffer(mapped(file), np.uint8)
    array.max()
    assert _core.resident_share(array) == 1
    assert not _core.prefetch_if_absent(array)


def test_memory_without_a_file_is_left_alone():
    array = np.ones(1_000_000, np.uint8)
    assert _core.resident_share(array) == 1
    assert not _core.prefetch_if_absent(array)
    assert _core.resident_share(array[:0]) == 1


def test_absent_pages_are_read_in_the_background(file):
    expected = file.read_bytes()
    evict(file)
    array = np.frombuffer(mapped(file), np.uint8)[3:]  # from the middle of a page
    assert _core.prefetch_if_absent(array)
    until = time.monotonic() + 20
    while _core.resident_share(array) < 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert _core.resident_share(array) == 1  # nobody touched a page
    assert array.tobytes() == expected[3:]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_absent_pages_of_another_user_s_file_are_asked_for(file):
    """There `mincore` calls every page resident."""
    file.chmod(0o644)
    for folder in list(file.parents)[:-1]:
        folder.chmod(folder.stat().st_mode | 0o011)
    evict(file)
    script = (
        "import ctypes, mmap, os, sys, numpy as np\nfrom ossnb import _core\nos.setuid(65534)\n"
        "ctypes.CDLL(None).prctl(4, 1)\n"  # or /proc/self would still be root's
        "with open(sys.argv[1], 'rb') as f: m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "array = np.frombuffer(m, np.uint8)\nasked = _core.prefetch_if_absent(array)\narray.max()\n"
        "print(asked, _core.prefetch_if_absent(array))"
    )
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_model_whose_weights_left_memory_goes_on_with_the_same_bits(tmp_path):
    folder = write_random_checkpoint(tmp_path / "m", {"intermediate_size": 512, "hidden_size": 256}, seed=1)
    weights = folder / "model.safetensors"
    model = load(folder, threads=2)
    expected = model.complete([5, 6, 7], max_tokens=6, seed=1).tokens
    model.forget()
    mapping = model.tensors["lm_head.weight"].base
    while not isinstance(mapping, mmap.mmap):
        mapping = mapping.base if isinstance(mapping, np.ndarray) else mapping.obj
    evict(weights, mapping)
    assert model.complete([5, 6, 7], max_tokens=6, seed=1).tokens == expected
