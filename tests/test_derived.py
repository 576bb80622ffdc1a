"""Packed copies of the weights: made once, shared, thrown away when they are not what they should be."""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import builders
from ossnb import _core, load
from ossnb.checkpoint import packed as derived
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.system import machine
from ossnb.testing import write_random_checkpoint
from packing import pack_q6

SHAPE = {"hidden_size": 96, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 500}
IDS = [5, 17, 499, 3, 3, 250]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OSSNB_CACHE_LIMIT", raising=False)
    monkeypatch.setattr(derived, "LEAST_BYTES", 0)
    return tmp_path / "cache" / "derived"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_random_checkpoint(tmp_path / "model", SHAPE, seed=3)


def logits(folder: Path, precision: str = "fast") -> np.ndarray:
    with load(folder, precision=precision, threads=1) as model:
        return model.logits(IDS)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*.safetensors"))


def built(capsys: pytest.CaptureFixture[str]) -> int:
    """How many files were built since the last look: each tells so in a line."""
    return capsys.readouterr().err.count("packing ")


def without_files(folder: Path, monkeypatch: pytest.MonkeyPatch, precision: str = "fast") -> np.ndarray:
    with monkeypatch.context() as patched:
        patched.setattr(derived, "LEAST_BYTES", 1 << 60)
        return logits(folder, precision)


def test_built_once_and_the_same_bits_as_packed_in_memory(folder, cache, capsys, monkeypatch):
    expected = without_files(folder, monkeypatch)
    assert not cache.exists()

    first, n_built = logits(folder), built(capsys)
    second, n_built_again = logits(folder), built(capsys)

    assert (n_built, n_built_again) == (2, 0)  # the output layer, the attention matrices
    assert [name.split("-")[0] for name in names(cache)] == ["q8_attention", "screen"]
    for got in (first, second):
        np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))


def test_arrays_are_mapped_read_only_and_say_what_the_kernels_pack(folder, cache):
    opened = open_checkpoint(folder)
    derived.prepare(opened, "fast", 1)

    arrays = {
        name: array for file in derived.prepare(opened, "fast", 2) for name, array in file.tensors.items()
    }

    matrices = [name for name in opened.tensors if name.endswith("_proj.weight")]
    assert {name for name in arrays if name.endswith(".q8")} == {f"{name}.q8" for name in matrices}
    for name in matrices:
        assert not arrays[f"{name}.q8"].flags.writeable
        packed = _core.kernels.q8_pack("reference", opened.tensors[name])
        np.testing.assert_array_equal(arrays[f"{name}.q8"], packed)
    screen = _core.kernels.q6_pack("reference", opened.tensors["lm_head.weight"])
    np.testing.assert_array_equal(arrays["lm_head.weight.q6"], screen)
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(cache) in line]
    assert maps
    assert all(line.split()[1] == "r--s" for line in maps)


def unpacked_q6(tiles, n_rows):
    """The weights that Q6 tiles stand for: an independent reading of kernels.h."""
    groups = tiles.reshape(len(tiles), -1, 416)
    low = groups[..., :256].reshape(*groups.shape[:2], 4, 16, 4).astype(int)
    upper = groups[..., 256:384].reshape(*groups.shape[:2], 2, 16, 4).astype(int)
    scales = groups[..., 384:].copy().view(np.uint16)
    scales = (scales.astype(np.uint32) << 16).view(np.float32).astype(np.float64) / 2
    q = np.zeros((len(tiles), 16, groups.shape[1], 32))
    for j in range(32):  # input j is byte j / 2 % 4 of word j / 8, the odd ones in the upper halves
        word, odd, byte = j // 8, j % 2, j // 2 % 4
        code = low[:, :, word, :, byte] >> 4 * odd & 15 | (upper[:, :, odd, :, byte] >> 2 * word & 3) << 4
        q[..., j] = np.moveaxis((code - 32) * scales, 1, 2)
    return q.reshape(len(tiles) * 16, -1)[:n_rows], scales


def test_norms_bound_what_packing_lost(folder):
    opened = open_checkpoint(folder)
    tiles, norms = pack_q6(opened.tensors["lm_head.weight"], 2)
    w = (opened.tensors["lm_head.weight"].astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    q, scales = unpacked_q6(tiles, len(w))

    assert np.abs(w - q).max() <= scales.max() * 0.51
    for got, exact in ((norms[:, 0], w - q), (norms[:, 1], q)):
        exact = np.sqrt((exact**2).sum(axis=1))
        assert (got >= exact).all()
        assert (got <= exact * (1 + 1e-6)).all()


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "header"])
def test_a_damaged_file_is_built_anew(folder, cache, capsys, damage, precision):
    expected = logits(folder, precision)
    victim = cache / names(cache)[0]
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[-1000] ^= 1
    elif damage == "header":
        data[0:2] = b"\xff\xff"
    else:
        data = data[: len(data) // 2] if damage == "truncate" else b""
    victim.write_bytes(data)
    built(capsys)

    got = logits(folder, precision)

    assert built(capsys) == 1
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("seen_before", [True, False])
def test_changed_weights_are_noticed_though_size_time_and_samples_are_the_same(
    folder, cache, capsys, monkeypatch, seen_before
):
    before = logits(folder)
    if not seen_before:
        for path in cache.glob("*.known"):
            path.unlink()
    weights = folder / "model.safetensors"
    times = weights.stat()

    fingerprint = open_checkpoint(folder).fingerprint
    header, _ = builders.read_safetensors(weights)
    data = bytearray(weights.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little") + header["lm_head.weight"]["data_offsets"][0]
    data[begin + 2 * (7 * SHAPE["hidden_size"] + 5) + 1] ^= 0x40  # row 7, the exponent of one number
    weights.write_bytes(data)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (weights.stat().st_size, open_checkpoint(folder).fingerprint) == (times.st_size, fingerprint)
    built(capsys)

    after = logits(folder)

    assert built(capsys) == 1
    assert (after[:, 7] != before[:, 7]).any()
    np.testing.assert_array_equal(after, without_files(folder, monkeypatch))


def test_a_copy_shares_the_file_and_is_read_in_full_once_only(folder, cache, tmp_path, capsys, monkeypatch):
    expected = logits(folder)
    shutil.copytree(folder, tmp_path / "copy")
    built(capsys)

    np.testing.assert_array_equal(logits(tmp_path / "copy"), expected)

    def unreachable(self):
        raise AssertionError("the weights were read again")

    monkeypatch.setattr(derived._Entry, "sources_checksum", unreachable)
    np.testing.assert_array_equal(logits(tmp_path / "copy"), expected)
    np.testing.assert_array_equal(logits(folder), expected)
    assert built(capsys) == 0
    assert len(names(cache)) == 2


def test_the_hub_s_name_for_a_blob_stands_for_its_content(folder, cache, tmp_path, monkeypatch):
    """A blob that is copied or touched keeps its name, which is the hash of what it holds."""
    blobs = tmp_path / "hub" / "blobs"
    blobs.mkdir(parents=True)
    (folder / "model.safetensors").rename(blobs / ("ab" * 32))
    (folder / "model.safetensors").symlink_to(blobs / ("ab" * 32))
    (blobs / "cd").mkdir()  # where bytes are that several repositories share
    (blobs / ("ab" * 32)).rename(blobs / "cd" / ("cd" * 32))
    (blobs / ("ab" * 32)).symlink_to(f"cd/{'cd' * 32}")
    logits(folder)
    (blobs / ("ab" * 32)).touch()

    def unreachable(self):
        raise AssertionError("the weights were read again")

    monkeypatch.setattr(derived._Entry, "sources_checksum", unreachable)
    logits(folder)


def expect_a_note_and_the_same_bits(folder, expected, match):
    with pytest.warns(UserWarning, match=match) as told:
        got = logits(folder)
    assert len(told) == 1
    np.testing.assert_array_equal(got, expected)


def test_without_a_folder_to_write_to_the_copies_live_in_memory(folder, tmp_path, monkeypatch):
    expected = without_files(folder, monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / "file"))
    expect_a_note_and_the_same_bits(folder, expected, "cannot be kept in .*in memory of this process's own")


def test_without_room_on_the_disk_too(folder, cache, monkeypatch):
    expected = without_files(folder, monkeypatch)
    monkeypatch.setattr(machine, "free_disk", lambda path: 1_000_000_000)
    expect_a_note_and_the_same_bits(folder, expected, r"needs \S+ kB, 1.0 GB of its disk are free")
    assert names(cache) == []


def test_a_limit_of_nothing_stores_nothing(folder, cache, monkeypatch):
    expected = without_files(folder, monkeypatch)
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was asked for
        np.testing.assert_array_equal(logits(folder), expected)
    assert not cache.exists()


def test_a_limit_too_small_is_said(folder, cache, monkeypatch):
    expected = without_files(folder, monkeypatch)
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "1 kB")
    expect_a_note_and_the_same_bits(folder, expected, "the limit is 1.0 kB")
    assert names(cache) == []


def test_said_once_a_process(folder, monkeypatch):
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "1")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            logits(folder)
    assert len(told) == 1


def test_past_the_limit_the_file_used_longest_ago_goes(tmp_path, cache, monkeypatch):
    folders = [write_random_checkpoint(tmp_path / f"m{seed}", SHAPE, seed=seed) for seed in range(3)]
    now = time.time()
    for i, folder in enumerate(folders[:2]):
        logits(folder)
        for path in cache.iterdir():
            if path.stat().st_mtime > now - 50:  # just made: pretend it was made a while ago
                os.utime(path, (now - 200 + 60 * i, now - 200 + 60 * i))
    first, both = set(names(cache)), derived.used_bytes()
    logits(folders[0])  # used again, so the second model's are the oldest
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", str(both))

    logits(folders[2])

    kept = set(names(cache))
    assert derived.used_bytes() <= both
    assert len(first & kept) == 2
    assert len(kept - first) == 2
    logits(folders[0])
    assert set(names(cache)) == kept


BUILD = """
import sys, numpy as np
from ossnb import load
from ossnb.checkpoint import packed as derived
derived.LEAST_BYTES = 0
print(flush=True)
sys.stdin.readline()
print(load(sys.argv[1], precision="fast", threads=1).logits([5, 17, 3]).view(np.uint32).tolist())
"""


def test_processes_that_start_together_build_once(folder, cache):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdout.readline()  # imported all, ready
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({out for out, _ in results}) == 1
    assert sum(err.count("packing ") for _, err in results) == 2
    assert len(names(cache)) == 2
    assert [p.name for p in cache.iterdir() if p.suffix not in (".safetensors", ".known")] == [".lock"]


def test_an_interrupt_leaves_nothing_half_made(folder, cache, monkeypatch):
    pack, calls = _core.Packing.pack, []

    def interrupted(packing, w, threads):
        if packing.name == "q8_attention":
            calls.append(w.shape)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pack(packing, w, threads)

    with monkeypatch.context() as patched:
        patched.setattr(_core.Packing, "pack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            logits(folder)
    assert {p.name.split("-")[0] for p in cache.iterdir()} == {".lock", "screen"}
    logits(folder)
    assert len(names(cache)) == 2


def test_what_a_killed_process_left_is_removed(folder, cache):
    cache.mkdir(parents=True)
    for age, name in ((7200, ".screen-0.safetensors.old"), (0, ".screen-0.safetensors.new")):
        (cache / name).write_bytes(b"half")
        os.utime(cache / name, (time.time() - age, time.time() - age))
    logits(folder)
    assert sorted(p.name for p in cache.glob(".screen*")) == [".screen-0.safetensors.new"]


def test_clear_removes_all_and_models_in_use_live_on(folder, cache):
    with load(folder, precision="fast") as model:
        expected = model.logits(IDS)
        used = derived.used_bytes()
        assert used > 0
        assert derived.clear() == used
        assert derived.used_bytes() == 0
        np.testing.assert_array_equal(model.logits(IDS), expected)


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("20GB", 20e9), ("1.5 gb", 1.5e9), ("300M", 3e8), ("7", 7), ("0", 0), ("", 20e9)]
)
def test_limit(monkeypatch, text, n_bytes):
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", text)
    assert derived.limit() == n_bytes


def test_a_limit_that_is_no_size_is_refused(folder, monkeypatch):
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "plenty")
    with pytest.raises(ValueError, match=r"OSSNB_CACHE_LIMIT must be a size such as 20GB.*got 'plenty'"):
        logits(folder)


def test_derived_data_of_another_shape_is_refused(folder):
    import dataclasses

    opened = open_checkpoint(folder)
    wrong = {"lm_head.weight.q6": np.zeros((3, 5), np.uint8)}
    with pytest.raises(ValueError, match=r"lm_head.weight.q6 does not fit .*ossnb cache --clear"):
        _core.Model(dataclasses.asdict(opened.config), opened.tensors | wrong, threads=1)


def test_checksum_sees_every_byte_and_every_length():
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, 3_000_001, np.uint8)
    whole = _core.checksum(data, 1)
    assert whole == _core.checksum(data, 3)
    seen = {whole} | {_core.checksum(data[:n], 1) for n in (0, 1, 63, 64, 65, 1 << 20, (1 << 20) + 1)}
    for at in [0, 63, 64, 1 << 20, 3_000_000, *rng.integers(0, data.size, 20)]:
        for bit in (1, 128):
            data[at] ^= bit
            seen.add(_core.checksum(data, 1))
            data[at] ^= bit
    assert len(seen) == 8 + 2 * 25
    zeros = [_core.checksum(np.zeros(n, np.uint8), 1) for n in (0, 1, 64, 128)]
    assert len(set(zeros)) == 4


def test_a_header_is_plain_safetensors(folder, cache):
    logits(folder)
    header, _ = builders.read_safetensors(cache / names(cache)[1])
    assert set(header) == {"__metadata__", "lm_head.weight.q6", "lm_head.weight.q6_norms"}
    assert set(header["__metadata__"]) == {"checksum", "sources"}
    assert json.dumps(header)


def decoded(folder: Path) -> tuple[int, np.ndarray]:
    """The bytes that one more token reads in exact, and its logits."""
    with load(folder, precision="exact", threads=1) as model:
        core = model.engine.core
        sequence, greedy = core.sequence(), _core.Sampler(n_vocab=core.n_vocab, temperature=0)
        for i, token in enumerate(IDS):
            chooser = _core.Chooser(greedy, i + 1, keeps_logits=True)
            step = core.step([(sequence, np.array([token], np.int32), 1)], [chooser])
        return step.n_bytes, step.choices[0].logits


def same_bits(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def test_exact_reads_three_quarters_of_the_attention_matrices_and_gives_the_same_bits(
    folder, cache, monkeypatch
):
    whole = without_files(folder, monkeypatch, "exact")
    with monkeypatch.context() as patched:
        patched.setattr(derived, "LEAST_BYTES", 1 << 60)
        stored, expected = decoded(folder)

    packed, got = decoded(folder)

    same_bits(got, expected)
    same_bits(logits(folder, "exact"), whole)
    header, _ = builders.read_safetensors(next(cache.glob("bf12_attention*.safetensors")))
    shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    tiles = sum(np.prod(shape) for name, shape in shapes.items() if name.endswith(".bf12"))
    rare = sum(shape[0] for name, shape in shapes.items() if name.endswith("_rare"))
    assert stored - packed == tiles / 3 - 8 * rare
    assert 0 < 500 * rare < tiles


def test_exact_keeps_the_bits_of_extreme_weights_and_of_a_matrix_left_as_it_is(folder, cache, monkeypatch):
    def edit(tensors):
        q, o = (tensors[f"model.layers.{i}.self_attn.{x}_proj.weight"] for i, x in enumerate("qo"))
        q[0, :6] = [0, 0x8000, 1, 0x807F, 0x6000, 0xE000]  # zeros, subnormal, 2^65
        o[:] = np.random.default_rng(0).integers(0, 0x3F80, o.shape)  # of all sizes

    builders.edit_tensors(folder, edit)
    expected = without_files(folder, monkeypatch, "exact")

    same_bits(logits(folder, "exact"), expected)

    header, _ = builders.read_safetensors(next(cache.glob("bf12_attention*.safetensors")))
    assert "model.layers.1.self_attn.q_proj.weight.bf12" in header
    assert "model.layers.1.self_attn.o_proj.weight.bf12" not in header


def test_a_file_of_the_cache_brings_no_weights_under_their_own_names(folder, cache, capsys):
    """Though its checksums are right: it is built anew, and the logits are those of the weights."""
    expected = logits(folder)
    victim = next(cache.glob("screen*.safetensors"))
    raw = victim.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + n])
    header["lm_head.weight"] = header.pop("lm_head.weight.q6")
    victim.write_bytes(raw[:8] + json.dumps(header).encode().ljust(n) + raw[8 + n :])
    built(capsys)

    got = logits(folder)

    assert built(capsys) == 1
    np.testing.assert_array_equal(got, expected)
