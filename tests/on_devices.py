"""What every device must do, told of one beside "cpu": "plain" in tests/test_devices.py, "cuda" in
tests/test_cuda_device.py."""

import dataclasses
import json
import os

import numpy as np
import pytest

import bits
from ossnb import _core
from ossnb.checkpoint import demo
from ossnb.checkpoint.layout import open_checkpoint

DEVICE = os.environ.get("OSSNB_TEST_DEVICE", "plain")
PROMPT = np.random.default_rng(0).integers(0, 5000, 50).astype(np.int32)
CPU = open_checkpoint(demo.expand())


def load(device, precision="exact", opened=CPU, kv="float32"):
    config = dataclasses.asdict(opened.config)
    return _core.Model(config, opened.tensors, device=device, threads=2, precision=precision, kv_format=kv)


FORMATS = [("exact", "float32"), ("fast", "int8"), ("fast", "float32"), ("exact", "bf16")]


# A card's kernels on the CPU take their time, and tests/on_cuda.py has the other formats.
@pytest.fixture(scope="module", params=FORMATS if DEVICE == "plain" else FORMATS[:2])
def models(request):
    precision, kv = request.param
    return load(DEVICE, precision, kv=kv), load("cpu", precision, kv=kv)


def sampler_of(model, **settings):
    return _core.Sampler(n_vocab=model.n_vocab, **settings)


def generate(model, sequence, ids, sampler, n):
    """The tokens of n steps, each with what it reports."""
    found = []
    for _ in range(n):
        chooser = _core.Chooser(sampler, sequence.length + len(ids), n_top=2)
        (choice,) = model.step([(sequence, ids, 1)], [chooser]).choices
        found.append((choice.token, choice.logprob, choice.top_ids.tolist(), choice.is_finite))
        sampler.accept(choice.token)
        ids = np.array([choice.token], np.int32)
    return found


def test_there_are_two():
    assert (load(DEVICE).device, load("cpu").device) == (DEVICE, "cpu")
    with pytest.raises(ValueError, match=rf"choose one of: cpu, .*{DEVICE}"):
        load("abacus")


if DEVICE == "plain":

    def test_the_plain_device_differs_where_it_may():
        assert _core.packings(dataclasses.asdict(CPU.config), "exact", "plain") == []
        assert load("plain").kv.block_tokens != load("cpu").kv.block_tokens


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"seed": 3}, {"seed": 4, "top_p": 0.9, "repetition_penalty": 1.2}]
)
def test_the_same_tokens(models, settings):
    runs = [generate(m, m.sequence(), PROMPT, sampler_of(m, **settings), 12) for m in models]
    assert runs[0] == runs[1]


def test_the_same_logits_and_the_same_insides(models):
    ids = PROMPT if DEVICE == "plain" else PROMPT[:8]  # each row has all its logits
    traces = [model.trace(model.sequence(), ids) for model in models]
    for name, array in traces[0].items():
        np.testing.assert_array_equal(array, traces[1][name])


@pytest.mark.parametrize("precision", bits.PRECISIONS)
def test_the_stored_bits(precision):
    model = load(DEVICE, precision, open_checkpoint(bits.TINY / "hf"))
    ids = np.load(bits.TINY / "prompt_long.npy").astype(np.int32)
    assert (
        bits.sha(model.logits([(model.sequence(), ids, len(ids))]))
        == json.loads(bits.FILE.read_text())[precision]["tiny"]
    )


def test_rewind_fork_and_several_sequences_in_one_step(models):
    results = []
    for model in models:
        parent = model.sequence()
        model.step([(parent, PROMPT, 0)], [])
        child = parent.fork()
        child.rewind(30)
        shared = model.sequence(parent.blocks[:1], model.kv.block_tokens - 3)
        feeds = [(parent, PROMPT[:2], 2), (child, PROMPT[5:15], 1), (shared, PROMPT[:1], 1)]
        mask = np.zeros(-(-model.n_vocab // 32), np.uint32)
        mask[:8] = 0x55555555
        sampler = sampler_of(model, seed=9)
        choosers = [_core.Chooser(sampler, i, mask=mask if i % 2 else None) for i in range(4)]
        tokens = [choice.token for choice in model.step(feeds, choosers).choices]
        results.append((tokens, parent.length, child.length))
        assert shared.length == model.kv.block_tokens - 2
        del parent, child, shared, feeds
        assert (model.kv.n_blocks, model.kv.used_bytes) == (0, 0)
    assert results[0][0][:3] == results[1][0][:3]
    assert results[0][1:] == results[1][1:]


def test_a_cancelled_step_leaves_all_as_it_was(models):
    for model in models:
        sequence, flag = model.sequence(), _core.CancelFlag()
        model.step([(sequence, PROMPT, 0)], [])
        fork, before = sequence.fork(), sequence.blocks
        flag.set()
        with pytest.raises(_core.Cancelled):
            model.step([(fork, PROMPT, 0)], [], flag)
        assert (fork.length, fork.blocks, model.kv.n_blocks) == (50, before, len(before))
