"""Weights whose file shrinks while they are read: an error, and not the end of the process."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import ossnb
from ossnb.errors import CheckpointError
from ossnb.testing import write_random_checkpoint

LOST = "became shorter while it was read"
IDS = np.arange(2, 30, dtype=np.int32)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGBUS")


@pytest.fixture
def file(tmp_path):
    return write_random_checkpoint(tmp_path / "model", "tiny", seed=2) / "model.safetensors"


def shrink(file):
    os.truncate(file, 4096)


def test_a_pass_over_lost_weights_is_an_error_afterwards(file):
    model = ossnb.load(file.parent)
    shrink(file)
    core = model.engine.core
    core.logits([(core.sequence(), IDS, 1)])  # the engine itself: nobody looks at the file's size before
    for use in (lambda: model.logits(IDS), lambda: model.complete(IDS), lambda: model.trace(IDS)):
        with pytest.raises(CheckpointError, match=LOST):
            use()


def test_weights_that_are_read_as_arrays_do_not_end_the_process(file):
    model = ossnb.load(file.parent)
    whole = file.read_bytes()
    shrink(file)
    for tensor in model.tensors.values():
        tensor.view(np.uint8).max()
    file.write_bytes(whole)  # comes too late: zeros were read
    with pytest.raises(CheckpointError, match=LOST):
        model.logits(IDS)


@pytest.mark.slow
def test_a_file_that_shrinks_in_the_middle_of_a_pass(tmp_path):
    shape = {"hidden_size": 512, "intermediate_size": 512, "num_hidden_layers": 8, "num_local_experts": 16}
    folder = write_random_checkpoint(tmp_path / "model", shape, seed=2)
    model = ossnb.load(folder, threads=2)
    ids = np.tile(IDS, 100)
    threading.Timer(0.05, shrink, [folder / "model.safetensors"]).start()

    def compute():
        for _ in range(1000):
            model.logits(ids)

    with pytest.raises(CheckpointError, match=f"{LOST}|when it was mapped"):
        compute()


def test_a_model_that_shrinks_while_it_is_loaded(file, monkeypatch):
    from ossnb.checkpoint import packed

    def prepare(*_):
        shrink(file)
        return []

    monkeypatch.setattr(packed, "prepare", prepare)
    with pytest.raises(CheckpointError, match=f"{LOST}|when it was mapped"):
        ossnb.load(file.parent)


def test_another_model_of_the_process_computes_on(file, tmp_path):
    other = ossnb.load(write_random_checkpoint(tmp_path / "other", "tiny", seed=3))
    before = other.logits(IDS)
    model = ossnb.load(file.parent)
    shrink(file)
    max(tensor.view(np.uint8).max() for tensor in model.tensors.values())
    np.testing.assert_array_equal(other.logits(IDS), before)


# ---- other signals of this kind ----------------------------------------------------------------------------

BEGIN = """
import faulthandler, mmap, os, signal, sys
import numpy as np, ossnb
"""
FOREIGN = """
with open(sys.argv[2], "r+b") as opened:
    opened.truncate(1 << 16)
    mapping = mmap.mmap(opened.fileno(), 0)
    opened.truncate(0)
print("alive", flush=True)
mapping[5000]
print("too far", flush=True)
"""
OURS = """
os.truncate(sys.argv[1] + "/model.safetensors", 4096)
print("alive", flush=True)
model.engine.core.logits([(model.engine.core.sequence(), np.arange(2, 30, dtype=np.int32), 1)])
print("too far", flush=True)
"""
LOAD = "model = ossnb.load(sys.argv[1])\n"
ENABLE = "faulthandler.enable()\n"
USE = "model.logits([1, 2])\n"


def run(file, tmp_path, code):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(file.parent), str(tmp_path / "foreign")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "alive" in done.stdout, done.stderr
    return done


@pytest.mark.parametrize("order", [LOAD, ENABLE + LOAD, LOAD + ENABLE, LOAD + ENABLE + USE])
def test_a_fault_in_a_mapping_of_somebody_else_ends_the_process_as_before(file, tmp_path, order):
    (tmp_path / "foreign").touch()
    done = run(file, tmp_path, order + FOREIGN)
    assert "too far" not in done.stdout
    assert done.returncode == -signal.SIGBUS
    assert done.stderr.count("Fatal Python error: Bus error") == order.count(ENABLE)


def test_the_signal_sent_by_hand_ends_the_process(file, tmp_path):
    done = run(file, tmp_path, LOAD + 'print("alive", flush=True); os.kill(os.getpid(), signal.SIGBUS)')
    assert done.returncode == -signal.SIGBUS


@pytest.mark.parametrize("order", [ENABLE + LOAD, LOAD + ENABLE + USE])
def test_a_fault_of_ours_beside_another_handler(file, tmp_path, order):
    done = run(file, tmp_path, order + OURS)
    assert "too far" in done.stdout, done.stderr
    assert done.returncode == 0


def test_a_place_is_free_again_when_its_mapping_goes(file, tmp_path):
    """A watch that outlived its mapping would hide the faults of whatever is mapped there next."""
    from ossnb import _core

    path = tmp_path / "some"
    path.write_bytes(bytes(1 << 16))
    for _ in range(5000):  # more than there are places
        with path.open("rb") as opened:
            mapping = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        watched = _core.WatchedRange(np.frombuffer(mapping, np.uint8))
    os.truncate(path, 0)
    assert mapping[9000] == 0
    assert watched.is_lost()
