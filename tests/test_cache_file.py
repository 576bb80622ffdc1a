"""Kept keys and values in a file: the next process goes on where this one stopped, or is told why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ossnb
from ossnb.checkpoint.safetensors import read_header
from ossnb.errors import CheckpointError
from ossnb.testing import write_random_checkpoint
from shells import ipython, run, shell

FIXTURES = ipython, shell
QUIET_FORKS = ("-W", "ignore::DeprecationWarning")  # Python 3.12 warns of a fork beside threads

IDS = np.random.default_rng(1).integers(0, 500, 200).astype(np.int32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("kept") / "model", "tiny", seed=2)


@pytest.fixture
def model(folder):
    with ossnb.load(folder) as model:
        yield model


@pytest.fixture
def file(model, tmp_path):
    path = tmp_path / "kept.ossnb"
    model.complete(IDS, max_tokens=3, temperature=0)
    model.complete([*IDS[:70], 7, 7], max_tokens=40, temperature=0)
    assert model.save_cache(path) == path.stat().st_size
    return path


def n_read(reply):
    return reply.stats.n_prompt_tokens - reply.stats.n_cached_tokens


def test_another_process_goes_on_where_this_one_stopped(file, folder, model):
    expected = model.complete([*IDS, 5], max_tokens=20, temperature=0)
    with ossnb.load(folder, cache=file) as other:
        assert other.n_kept_bytes > 0
        reply = other.complete([*IDS, 5], max_tokens=20, temperature=0)
    assert n_read(reply) < 10
    assert reply.tokens == expected.tokens
    assert [one.logprob for one in reply.logprobs] == [one.logprob for one in expected.logprobs]


def test_branches_come_back_as_a_tree(file, folder, model):
    with ossnb.load(folder, cache=file) as other:
        assert other.n_kept_bytes == model.n_kept_bytes
        assert n_read(other.complete([*IDS[:70], 7, 7, 9], max_tokens=1)) <= 33
        assert other.load_cache(file) == 0  # all of it is there already
        assert other.engine.core.kv.n_blocks >= model.engine.core.kv.n_blocks
        other.forget()
        assert other.engine.core.kv.n_blocks == 0


def test_the_logits_are_those_of_a_fresh_model(file, folder):
    with ossnb.load(folder, cache=file) as kept, ossnb.load(folder) as fresh:
        again = [m.complete([*IDS, 1, 2], max_tokens=1, logprobs=20, temperature=0) for m in (kept, fresh)]
    assert again[0].logprobs == again[1].logprobs


def test_the_file_is_written_back_when_the_model_is_closed(folder, tmp_path):
    path = tmp_path / "kept.ossnb"
    with ossnb.load(folder, cache=path) as model:
        model.complete(IDS, max_tokens=1)
        assert not path.exists()
    with ossnb.load(folder, cache=path) as model:
        assert n_read(model.complete([*IDS, 3], max_tokens=1)) < 10
        assert model.save_cache() == path.stat().st_size


def process(script, folder, path, timeout=300):
    """Run a script in a process of its own; what it printed."""
    command = [sys.executable, *QUIET_FORKS, "-c", script, str(folder), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)


AT_THE_END = """
import os, sys, ossnb
model = ossnb.load(sys.argv[1], cache=sys.argv[2])
if len(model.scheduler.tree.all()) == 0:
    model.complete(list(range(100)), max_tokens=1)
    if os.fork() == 0:
        model.forget()
        sys.exit()  # a child does not write the file
    os.wait()
else:
    print("read")
"""


def test_the_file_is_written_back_at_the_end_of_the_process(folder, tmp_path):
    for expected in ("", "read\n"):
        done = process(AT_THE_END, folder, tmp_path / "kept.ossnb", timeout=60)
        assert (done.stdout, done.stderr) == (expected, "")


IN_A_FUNCTION = """
import os, sys, ossnb
path = sys.argv[2]
def main():
    model = ossnb.load(sys.argv[1], cache=path)
    model.complete(list(range(100)), max_tokens=1)
    if os.fork() == 0:
        del model  # a child does not write the file
        os._exit(os.path.exists(path))
    assert os.wait()[1] == 0
    assert not os.path.exists(path)
main()
print(os.path.getsize(path))
"""


def test_the_file_is_written_back_when_nobody_has_the_model_any_more(folder, tmp_path):
    path = tmp_path / "kept.ossnb"
    done = process(IN_A_FUNCTION, folder, path)
    assert (done.stdout, done.stderr) == (f"{path.stat().st_size}\n", "")
    with ossnb.load(folder, cache=path) as model:
        assert n_read(model.complete([*range(100), 7], max_tokens=1)) < 10


def test_a_stream_goes_on_without_its_model_and_then_the_file_is_written(folder, tmp_path):
    path = tmp_path / "kept.ossnb"
    model = ossnb.load(folder, cache=path)
    stream = model.stream_complete(IDS, max_tokens=40, temperature=0)
    next(stream)
    del model
    assert not path.exists()
    reply = stream.run()
    del stream
    with ossnb.load(folder, cache=path) as model:
        assert n_read(model.complete([*IDS, *reply.tokens], max_tokens=1)) < 10


def test_a_file_that_cannot_be_written_is_refused_at_the_load(folder, tmp_path):
    for path, why in (
        (tmp_path / "none" / "kept.ossnb", "there is no such folder"),
        (tmp_path, "which is no plain file"),
    ):
        with pytest.raises(ValueError, match=f"the file of kept keys and values is '.*{why}"):
            ossnb.load(folder, cache=path)


def test_a_failure_at_the_end_of_a_model_is_a_line(folder, tmp_path, capsys):
    place = tmp_path / "goes"
    place.mkdir()
    model = ossnb.load(folder, cache=place / "kept.ossnb")
    model.complete(IDS, max_tokens=1)
    place.rmdir()
    del model
    assert "kept.ossnb: No such file or directory" in capsys.readouterr().err


INTERRUPTED = """
import os, sys, ossnb
model = ossnb.load(sys.argv[1], cache=sys.argv[2])
model.complete(list(range(100)), max_tokens=1)
replace = os.replace
def interrupted(*names):
    os.replace = replace
    raise KeyboardInterrupt
os.replace = interrupted
del model
print(os.path.exists(sys.argv[2]))
"""


def test_what_an_interrupt_leaves_unwritten_is_written_at_the_end_of_the_process(folder, tmp_path):
    path = tmp_path / "kept.ossnb"
    done = process(INTERRUPTED, folder, path)
    assert done.stdout == "False\n"
    told = (
        f"kept keys and values will be written to {path} when the process ends, not now: KeyboardInterrupt\n"
    )
    assert done.stderr == told
    assert path.exists()


def test_what_was_written_is_not_written_again(folder, tmp_path):
    path = tmp_path / "kept.ossnb"
    model = ossnb.load(folder, cache=path)
    model.complete(IDS, max_tokens=1)
    with ossnb.load(folder, cache=path) as other:  # it finds what the first one has
        assert n_read(other.complete([*IDS, 3], max_tokens=30)) < 10
    written = path.read_bytes()
    del model
    assert path.read_bytes() == written


def test_a_notebook_that_loads_its_model_again_goes_on(shell, capsys, tmp_path):
    path = tmp_path / "kept.ossnb"
    for expected in (0, 1):
        result, _, _ = run(shell, f"%oss load demo --cache {path}", capsys)
        assert result.success
        assert (ossnb.default_model().n_kept_bytes > 0) == expected
        ossnb.complete("Roses are red", max_tokens=1)


def test_a_second_file_may_be_added_to_the_first(folder, tmp_path):
    first, second = tmp_path / "a.ossnb", tmp_path / "b.ossnb"
    with ossnb.load(folder) as model:
        model.complete(IDS[:40], max_tokens=1)
        model.save_cache(first)
        for _ in range(3):
            model.complete(IDS, max_tokens=1)  # its blocks are used later than those of the first file
        model.save_cache(second)
    with ossnb.load(folder, cache=first) as model:
        assert model.load_cache(second) > 0
    with ossnb.load(folder, cache=first) as model:
        assert n_read(model.complete([*IDS, 3], max_tokens=1)) < 10


def test_a_small_budget_takes_what_was_used_last(file, folder, model):
    n_bytes = 4 * model.engine.core.kv.block_bytes
    with ossnb.load(folder, cache=file, kv_memory=n_bytes) as other:
        assert 0 < other.n_kept_bytes <= n_bytes
        assert n_read(other.complete([*IDS[:70], 7, 7, 9], max_tokens=1)) <= 33
    with ossnb.load(folder, cache=file, kv_memory=0) as other:
        assert other.n_kept_bytes == 0


# ---- what is refused ---------------------------------------------------------------------------------------


def test_a_file_of_another_model_or_precision_is_refused(file, folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"another precision, 'exact'; this is 'fast'; remove it"):
        ossnb.load(folder, precision="fast", cache=file)
    other = write_random_checkpoint(tmp_path / "other", "tiny", seed=3)
    with pytest.raises(CheckpointError, match=r"of another model, .*model"):
        ossnb.load(other, cache=file)


def test_a_file_of_edited_or_copied_weights_is_refused(file, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(CheckpointError, match="written to since, or copied"):
        ossnb.load(copy, cache=file)
    with ossnb.load(copy) as model:
        model.complete(IDS, max_tokens=1)
        model.save_cache(file)
    weights = copy / "model.safetensors"
    times = weights.stat()
    with weights.open("r+b") as opened:
        opened.seek(read_header(weights).entries["model.layers.0.self_attn.k_proj.weight"].begin)
        opened.write(b"x")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(CheckpointError, match="written to since, or copied"):
        ossnb.load(copy, cache=file)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_refused_or_gives_the_same_answer(file, folder, seed, model):
    data, rng = bytearray(file.read_bytes()), np.random.default_rng(seed)
    if seed % 4 == 0:
        data = data[: rng.integers(0, len(data))]
    else:
        begin = 0 if seed % 4 == 1 else len(data) // 4 * (seed % 4)
        data[begin + int(rng.integers(0, min(len(data) - begin, 3000)))] ^= 1 << int(rng.integers(0, 8))
    file.write_bytes(data)
    before = model.n_kept_bytes
    with pytest.raises(CheckpointError, match=r"kept\.ossnb"):
        model.load_cache(file)
    assert model.n_kept_bytes == before


def test_what_is_no_such_file_is_refused(model, folder, tmp_path):
    for path, match in (
        (tmp_path / "missing", "cannot be read"),
        (tmp_path, "cannot be read|no plain file"),
        (folder / "model.safetensors", "no file of kept keys and values"),
    ):
        with pytest.raises(CheckpointError, match=match):
            model.load_cache(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="no plain file"):
        model.load_cache(tmp_path / "pipe")
    for path in (3, None):
        with pytest.raises(ValueError, match="must be a path"):
            model.load_cache(path)
    with pytest.raises(ValueError, match="must not be empty"):
        model.load_cache("")
    with pytest.raises(ValueError, match="without cache="):
        model.save_cache()
    with pytest.raises(FileNotFoundError):
        model.save_cache(tmp_path / "no such folder" / "kept.ossnb")


def test_an_empty_cache_can_be_written_and_read(model, tmp_path):
    model.save_cache(tmp_path / "kept.ossnb")
    assert model.load_cache(tmp_path / "kept.ossnb") == 0
