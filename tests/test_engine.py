"""The forward pass: right against float64 and transformers, and the same bits whatever way it is run."""

import dataclasses
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import truth
from children import in_child
from fakes import wait_until
from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.testing import write_random_checkpoint

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "oracle" / "cases.json").read_text())
LEVELS = _core.isa_levels()


def load(folder, threads=2, isa="", precision="exact"):
    checkpoint = open_checkpoint(Path(folder))
    config = dataclasses.asdict(checkpoint.config)
    return _core.Model(config, checkpoint.tensors, threads=threads, isa=isa, precision=precision)


def ids_of(seed, n, vocab):
    return np.random.default_rng(seed).integers(0, vocab, n).astype(np.int32)


def all_logits(model, ids, chunks=None):
    """Logits of every position, prefilled in chunks of the given sizes (the last one takes the rest)."""
    sequence, at, parts = model.sequence(), 0, []
    for n in [*(chunks or []), len(ids)]:
        piece = ids[at : at + n]
        if len(piece):
            parts.append(model.logits([(sequence, piece, len(piece))]))
        at += len(piece)
    return np.concatenate(parts)


def same_bits(a, b):
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    """A model with 3 layers, GQA 8, window 128, and a prompt of more than 256 tokens."""
    shape = {
        "num_hidden_layers": 3, "hidden_size": 96, "intermediate_size": 160, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 64, "num_local_experts": 8, "num_experts_per_tok": 4,
        "vocab_size": 300, "sliding_window": 128,
    }  # fmt: skip
    folder = write_random_checkpoint(
        tmp_path_factory.mktemp("windowed") / "model", shape, seed=5, edge_cases=True
    )
    return folder, ids_of(6, 300, 300)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("layout", ["hf", "original"])
@pytest.mark.parametrize("prompt", ["short", "long"])
def test_stored_reference_model(isa, layout, prompt):
    def stored(what):
        return np.load(DATA / "tiny_a" / f"{what}_{prompt}.npy")

    model = load(DATA / "tiny_a" / layout, isa=isa)
    ids = stored("prompt").astype(np.int32)

    got = model.trace(model.sequence(), ids)

    assert np.abs(got["logits"] - stored("logits")).max() < 2e-4
    np.testing.assert_array_equal(np.sort(got["experts"]), np.sort(stored("router_idx")))
    np.testing.assert_allclose(got["hidden"][:-1], stored("hidden")[:-1], atol=2e-4)
    same_bits(got["logits"], all_logits(model, ids))


@pytest.mark.parametrize("prompt", ["short", "long"])
def test_greedy_continuation_of_the_stored_reference_model(prompt):
    model = load(DATA / "tiny_a" / "hf")
    sequence, ids = model.sequence(), np.load(DATA / "tiny_a" / f"prompt_{prompt}.npy").astype(np.int32)
    expected, got = np.load(DATA / "tiny_a" / f"greedy_{prompt}.npy"), []
    for _ in expected:
        logits = model.logits([(sequence, ids, 1)])
        ids = np.array([logits[0].argmax()], np.int32)
        got.append(ids[0])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_transformers(name, tmp_path):
    case = CASES[name]
    model = load(write_random_checkpoint(tmp_path, **case["checkpoint"]))
    with np.load(DATA / "oracle" / f"{name}.npz") as stored:
        for n in case["prompts"]:
            ids, rows = stored[f"p{n}_ids"].astype(np.int32), stored[f"p{n}_rows"]
            got = model.trace(model.sequence(), ids)
            assert np.abs(got["logits"][rows] - stored[f"p{n}_logits"]).max() < 2e-4
            np.testing.assert_array_equal(np.sort(got["experts"]), np.sort(stored[f"p{n}_experts"]))


@pytest.mark.slow
def test_agrees_with_float64(windowed):
    folder, ids = windowed
    model = load(folder)
    sequence = model.sequence()
    got, exact = model.trace(sequence, ids), truth.forward(folder, ids)
    assert np.abs(got["logits"] - exact.logits).max() < 1e-4
    np.testing.assert_array_equal(got["experts"], exact.experts)
    assert sequence.length == len(ids)


@pytest.mark.parametrize("layout", [{"quantized": False}, {"layout": "original", "shards": 2}])
def test_other_layouts_agree_with_float64(layout, tmp_path):
    folder = write_random_checkpoint(
        tmp_path / "m", {"hidden_size": 96, "intermediate_size": 64}, seed=8, **layout
    )
    ids = ids_of(9, 40, 512)
    assert np.abs(all_logits(load(folder), ids) - truth.logits(folder, ids)).max() < 1e-4


# ---- the same bits every way


@pytest.fixture(scope="module")
def expected(windowed):
    folder, ids = windowed
    return all_logits(load(folder, threads=1), ids)


@pytest.mark.parametrize("isa", LEVELS)
def test_same_bits_on_every_level(windowed, expected, isa):
    folder, ids = windowed
    same_bits(all_logits(load(folder, isa=isa), ids), expected)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_same_bits_with_any_number_of_threads(windowed, expected, threads):
    folder, ids = windowed
    model = load(folder, threads=1)
    model.threads = threads
    assert model.threads == threads
    same_bits(all_logits(model, ids), expected)


@pytest.mark.parametrize(
    "chunks", [[1], [1, 1, 1, 2, 3], [127, 1, 1, 1], [128, 129], [31, 1, 33], [64, 7, 150, 1], [255, 1, 1, 3]]
)
def test_same_bits_in_any_chunks(windowed, expected, chunks):
    folder, ids = windowed
    same_bits(all_logits(load(folder), ids, chunks), expected)


def test_same_bits_token_by_token(windowed, expected):
    folder, ids = windowed
    same_bits(all_logits(load(folder), ids[:140], [1] * 140), expected[:140])


@pytest.mark.parametrize("isa", LEVELS)
def test_fast_too_gives_the_same_bits_every_way(windowed, isa):
    folder, ids = windowed
    ids = ids[:150]
    expected = all_logits(load(folder, threads=1, precision="fast"), ids)
    same_bits(all_logits(load(folder, isa=isa, precision="fast"), ids, [1, 30, 2, 100]), expected)


@pytest.mark.parametrize("quantized", [True, False])
def test_fast_stays_near_exact(quantized, tmp_path):
    shape = {"hidden_size": 96, "intermediate_size": 64, "head_dim": 16, "num_attention_heads": 4}
    folder = write_random_checkpoint(tmp_path / "m", shape, seed=11, quantized=quantized)
    ids = ids_of(12, 60, 512)
    exact, fast = (all_logits(load(folder, precision=p), ids) for p in ("exact", "fast"))
    assert (fast != exact).any()
    assert np.median(np.abs(fast - exact)) < 0.1 * exact.std()


def test_same_bits_in_a_batch(windowed, expected):
    folder, ids = windowed
    model = load(folder)
    other = ids_of(7, 77, 300)
    alone = all_logits(model, other)
    a, b, c = (model.sequence() for _ in range(3))
    first = model.logits([(a, ids[:200], 200), (b, other[:5], 5), (c, ids[:1], 1)])
    second = model.logits([(c, ids[1:3], 0), (b, other[5:], 72), (a, ids[200:], 1)])
    same_bits(first[:200], expected[:200])
    same_bits(first[200:205], alone[:5])
    same_bits(second[:72], alone[5:])
    same_bits(second[72:], expected[-1:])
    assert (a.length, b.length, c.length) == (300, 77, 3)


def test_same_bits_after_fork_and_rewind(windowed, expected):
    folder, ids = windowed
    model = load(folder)
    parent = model.sequence()
    model.logits([(parent, ids[:250], 0)])
    child = parent.fork()
    child.rewind(130)  # inside a block, past the window's start: keys of sliding layers must still be there
    assert (parent.length, child.length) == (250, 130)
    model.logits([(child, ids_of(10, 60, 300), 0)])
    grandchild = child.fork()
    grandchild.rewind(100)
    same_bits(model.logits([(grandchild, ids[100:], 200)]), expected[100:])
    same_bits(model.logits([(parent, ids[250:], 50)]), expected[250:])


def test_forks_share_blocks_until_they_write(windowed):
    folder, ids = windowed
    model = load(folder)
    parent = model.sequence()
    model.logits([(parent, ids[:64], 0)])
    child = parent.fork()
    assert child.n_bytes == parent.n_bytes == 64 * model.kv_bytes_per_token
    del parent
    model.logits([(child, ids[64:65], 0)])
    assert child.n_bytes == (64 + model.kv.block_tokens) * model.kv_bytes_per_token


# ---- mistakes and stops


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: [(s, np.array([300], np.int32), 1)], r"token 300 is outside the vocabulary, 0\.\.299"),
        (lambda s: [(s, np.array([-1], np.int32), 1)], "token -1 is outside"),
        (lambda s: [(s, np.array([], np.int32), 0)], "at least one"),
        (lambda s: [(s, np.array([1, 2], np.int32), 3)], "expected 0 to 2"),
        (lambda s: [(s, np.array([1], np.int32), -1)], "expected 0 to 1"),
        (lambda s: [(s, np.array([[1]], np.int32), 1)], "one-dimensional"),
        (lambda s: [(s, np.array([1], np.int32), 0)] * 2, "twice"),
    ],
)
def test_a_wrong_batch_is_a_value_error_and_changes_nothing(windowed, expected, make, message):
    folder, ids = windowed
    model = load(folder)
    sequence = model.sequence()
    model.logits([(sequence, ids[:10], 0)])
    with pytest.raises(ValueError, match=message):
        model.logits(make(sequence))
    assert sequence.length == 10
    same_bits(model.logits([(sequence, ids[10:20], 10)]), expected[10:20])


def test_rewind_outside_is_a_value_error(windowed):
    sequence = load(windowed[0]).sequence()
    for length in (-1, 1):
        with pytest.raises(ValueError, match=r"outside 0\.\.0"):
            sequence.rewind(length)


def test_wrong_tensors_are_value_errors(windowed):
    checkpoint = open_checkpoint(windowed[0])
    config = dataclasses.asdict(checkpoint.config)
    for change, message in [
        ({"lm_head.weight": None}, "lm_head.weight is missing"),
        (
            {"model.norm.weight": np.zeros(95, np.uint16)},
            r"model.norm.weight has shape \[95\].*expected \[96\]",
        ),
        ({"model.norm.weight": np.zeros(96, np.uint8)}, "1-byte numbers"),
        ({"model.norm.weight": np.zeros(192, np.uint16)[::2]}, "not C-contiguous"),
    ]:
        tensors = {k: v for k, v in (checkpoint.tensors | change).items() if v is not None}
        with pytest.raises(ValueError, match=message):
            _core.Model(config, tensors, threads=1)
    with pytest.raises(ValueError, match="hidden_size is 90"):
        _core.Model(config | {"hidden_size": 90}, checkpoint.tensors, threads=1)
    with pytest.raises(ValueError, match="choose one of: reference"):
        _core.Model(config, checkpoint.tensors, threads=1, isa="avx9000")
    with pytest.raises(ValueError, match="'exact' or 'fast', got 'quick'"):
        _core.Model(config, checkpoint.tensors, threads=1, precision="quick")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A model slow enough to be stopped in the middle: one call takes seconds on the scalar level."""
    shape = {"num_hidden_layers": 24, "hidden_size": 256, "intermediate_size": 256, "vocab_size": 300}
    return load(
        write_random_checkpoint(tmp_path_factory.mktemp("slow") / "m", shape, seed=3), isa="reference"
    )


def once_it_computes(model, do):
    """Call `do` in another thread once a call computes, which makes blocks of keys and values first."""
    before = model.kv.n_blocks
    threading.Thread(target=lambda: (wait_until(lambda: model.kv.n_blocks > before, 60), do())).start()


def test_a_flag_set_by_another_thread_stops_a_call(slow):
    ids = ids_of(1, 600, 300)
    sequence, flag = slow.sequence(), _core.CancelFlag()
    slow.logits([(sequence, ids[:3], 0)])
    once_it_computes(slow, flag.set)
    began = time.process_time()
    with pytest.raises(_core.Cancelled):
        slow.logits([(sequence, ids, 0)], flag)
    assert flag.is_set()
    assert time.process_time() - began < 1.5  # it would take some 20 s of the processors
    assert (sequence.length, slow.kv.n_blocks) == (3, len(sequence.blocks))
    flag.clear()
    slow.logits([(sequence, ids[:2], 0)], flag)
    assert sequence.length == 5


def test_ctrl_c_stops_a_call(slow):
    ids = ids_of(2, 600, 300)
    sequence = slow.sequence()
    once_it_computes(slow, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.process_time()
    with pytest.raises(KeyboardInterrupt):
        slow.logits([(sequence, ids, 0)])
    assert time.process_time() - began < 1.5
    assert sequence.length == 0
    slow.logits([(sequence, ids[:2], 0)])


def test_threads_take_turns(windowed, expected):
    folder, ids = windowed
    model = load(folder)
    results = {}

    def run(name):
        results[name] = all_logits(model, ids, [50] * 6)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got in results.values():
        same_bits(got, expected)
    assert len(results) == 4


def test_one_sequence_in_two_threads_is_a_clear_error(slow):
    sequence, flag, computes = slow.sequence(), _core.CancelFlag(), threading.Event()
    once_it_computes(slow, computes.set)

    def extend():
        with pytest.raises(_core.Cancelled):
            slow.logits([(sequence, ids_of(3, 600, 300), 0)], flag)

    thread = threading.Thread(target=extend)
    thread.start()
    try:
        assert computes.wait(60)
        for use in (sequence.fork, lambda: sequence.rewind(0), lambda: slow.logits([(sequence, [1], 0)])):
            with pytest.raises(RuntimeError, match="another thread"):
                use()
    finally:
        flag.set()
        thread.join()
    assert sequence.fork().length == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_generate(windowed, expected):
    folder, ids = windowed
    model = load(folder, threads=3)
    all_logits(model, ids[:20])  # the pool's threads are running now
    assert in_child(lambda: np.array_equal(all_logits(model, ids[:40]), expected[:40])) == "True"
    same_bits(all_logits(model, ids[:40]), expected[:40])


def greedy(model):
    return _core.Sampler(n_vocab=model.n_vocab, temperature=0)


def test_n_bytes_of_a_step_are_those_of_the_tensors(windowed):
    folder, ids = windowed
    checkpoint = open_checkpoint(folder)
    model, c = load(folder), checkpoint.config
    sequence = model.sequence()
    model.step([(sequence, ids[:5], 0)], [])
    step = model.step([(sequence, ids[5:6], 1)], [_core.Chooser(greedy(model), 6)])
    expert_bytes = sum(v.nbytes for k, v in checkpoint.tensors.items() if ".experts." in k)
    dense_bytes = sum(v.nbytes for k, v in checkpoint.tensors.items() if ".experts." not in k)
    dense_bytes -= (c.vocab_size - 1) * c.hidden_size * 2  # one row of the embedding
    dense_bytes -= c.num_hidden_layers * c.num_attention_heads * 2  # the sinks, not counted
    kv_bytes = 6 * model.kv_bytes_per_token
    expected = expert_bytes * c.num_experts_per_tok // c.num_local_experts + dense_bytes + kv_bytes
    assert abs(step.n_bytes - expected) < 0.001 * expected
