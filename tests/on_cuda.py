"""A model on a card beside the same model on the CPU, equal to the bit; run by tests/test_cuda_device.py."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import replace

import numpy as np
import pytest

import bits
import ossnb
from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.devices import cards
from ossnb.devices.choice import spare
from ossnb.devices.plan import Plan
from ossnb.saved.record import Record, record_of
from ossnb.saved.verify import differences
from ossnb.testing import write_random_checkpoint

pytestmark = pytest.mark.cuda
PROMPT = "What is 17 + 25?"
TINY = bits.TINY / "hf"
WIDE = {
    "num_hidden_layers": 4, "hidden_size": 256, "intermediate_size": 768, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "num_local_experts": 8, "num_experts_per_tok": 2,
    "vocab_size": 300, "sliding_window": 128,
}  # fmt: skip
IDS = [7 * i % 97 for i in range(70)]


def loaded(source, **settings):
    return tuple(ossnb.load(source, device=device, **settings) for device in ("cuda", "cpu"))


@pytest.fixture(scope="module", params=["exact", "fast"])
def pair(request):
    """The demo model on a card and on the CPU."""
    models = loaded("demo", precision=request.param)
    yield models
    for model in models:
        model.close()


@pytest.fixture(scope="module")
def tiny():
    """A smaller one."""
    models = loaded(TINY)
    yield models
    for model in models:
        model.close()


def both(pair, ask):
    """What both models answer, which must be the same."""
    on_card, on_cpu = (ask(model) for model in pair)
    assert on_card == on_cpu
    return on_card


# ---- text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"temperature": 0.9, "seed": 3, "logprobs": 2}])
def test_the_same_text(pair, settings):
    def ask(model):
        reply = model.generate(PROMPT, max_tokens=12, effort="low", **settings)
        return reply.tokens, reply.text, reply.logprobs

    assert both(pair, ask)[0]


def test_a_form_and_a_conversation(pair):
    def ask(model):
        reply = model.generate(PROMPT, seed=6, schema=["yes", "no"], effort="low")
        chat = model.chat(effort="low")
        chat.say("Hi", max_tokens=3, seed=1)
        return reply.text, chat.say("And now?", max_tokens=3, seed=2, top_p=0.9).tokens

    both(pair, ask)


def test_the_device_has_its_full_name_and_views_show_the_same(pair):
    def ask(model):
        reply = model.generate(PROMPT, max_tokens=2, seed=1, effort="low")
        assert reply.device == reply.to_dict()["device"] == model.device
        experts = reply.experts()
        spans = [(span.text, span.probability) for span in reply.spans(below=1.0)]
        return spans, reply.inspect().plain(), experts.ids.tolist(), experts.weights.tolist()

    assert [model.device for model in pair] == ["cuda:0", "cpu"]
    assert "device='cuda:0'" in repr(pair[0])
    both(pair, ask)


def test_an_answer_of_one_device_is_verified_on_the_other(pair):
    reply = pair[0].generate(PROMPT, max_tokens=2, seed=1, effort="low")
    record = Record.read(reply.to_dict() | record_of(reply, pair[0].fingerprint))
    assert record.facts["device"] == "cuda:0"
    assert differences(record.facts, pair[1]) == []


# ---- keys and values ---------------------------------------------------------------------------------------


def test_a_prompt_that_begins_like_an_earlier_one_is_not_read_again(tiny):
    def ask(model):
        model.forget()
        first = model.complete(IDS, max_tokens=3, temperature=0)
        second = model.complete([*IDS[:50], *IDS[3:10]], max_tokens=3, seed=2)
        assert second.stats.n_cached_tokens == 50
        model.forget()
        assert model.complete([*IDS[:50], *IDS[3:10]], max_tokens=3, seed=2).tokens == second.tokens
        return first.tokens, second.tokens

    both(tiny, ask)


def test_branches(tiny):
    def ask(model):
        reply = model.complete(IDS, max_tokens=5, seed=4)
        branches = [reply.branch(at, [5], max_tokens=4, seed=at) for at in (0, 2)]
        return reply.tokens, [branch.tokens for branch in branches]

    both(tiny, ask)


def test_kept_keys_and_values_go_from_device_to_device(tiny, tmp_path):
    for writer, reader in (tiny, tiny[::-1]):
        writer.forget()
        expected = writer.complete(IDS, max_tokens=3, temperature=0)
        writer.save_cache(tmp_path / "kept.ossnb")
        reader.forget()
        assert reader.load_cache(tmp_path / "kept.ossnb") >= 64
        again = reader.complete(IDS, max_tokens=3, temperature=0)
        assert again.tokens == expected.tokens
        assert again.stats.n_cached_tokens >= 64


# ---- numbers -----------------------------------------------------------------------------------------------


def test_the_same_insides(tiny):
    kinds = ("router", "attention", "hidden", "logit_lens", "logits")
    on_card, on_cpu = (model.trace(IDS, what=kinds, start=20) for model in tiny)
    assert on_card.keys() == on_cpu.keys()
    for name, array in on_card.items():
        np.testing.assert_array_equal(array, on_cpu[name], name)


@pytest.mark.parametrize("precision", bits.PRECISIONS)
def test_experts_on_the_host_give_the_same_logits(precision, capsys, tmp_path):
    """A card with room for the experts of half the layers; a long prompt has them come over."""
    folder, prompts = write_random_checkpoint(tmp_path / "wide", WIDE, seed=5), [range(20), range(100)]
    with ossnb.load(folder, device="cpu", precision=precision) as on_cpu:
        plan = Plan(on_cpu.config, precision, has_copies=False)
        expected = [on_cpu.logits(list(ids)) for ids in prompts]
    limit = replace(plan, host_layers=2).needed(4096)
    assert limit < replace(plan, host_layers=1).needed(4096)
    with ossnb.load(folder, device="cuda", precision=precision, device_memory=limit) as model:
        for ids, logits in zip(prompts, expected, strict=True):
            np.testing.assert_array_equal(model.logits(list(ids)), logits)
    told = "has no room for all experts: the CPU computes those of 2 of 4 layers"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("precision", bits.PRECISIONS)
@pytest.mark.parametrize("kv", ["float32", "int8"])
def test_the_logits_of_a_checkpoint_of_random_weights(precision, kv):
    ids = np.load(bits.TINY / "prompt_long.npy").tolist()
    on_card, on_cpu = (model.logits(ids) for model in loaded(TINY, precision=precision, kv=kv))
    np.testing.assert_array_equal(on_card, on_cpu)


# ---- memory ------------------------------------------------------------------------------------------------


PLACES = 44
# Sliding layers 0 and 2. A block has two parts of the same size, that of two layers.
NARROW = {
    "num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 1, "head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
    "vocab_size": 300, "sliding_window": 40,
}  # fmt: skip


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return open_checkpoint(write_random_checkpoint(tmp_path_factory.mktemp("narrow") / "m", NARROW, seed=8))


def core_of(opened, device, places=0, kv="float32"):
    """An engine; on a card, with room for so many parts of blocks, 0 for no limit."""
    config = dataclasses.asdict(opened.config)
    part = core_of(opened, device, kv=kv).kv.block_bytes // 3 * 2 if places else 0
    return _core.Model(
        config, opened.tensors, device=device, threads=2, kv_format=kv, kv_memory=places * part
    )


def tokens_of(rng, n):
    return rng.integers(0, NARROW["vocab_size"], n).astype(np.int32)


@pytest.mark.parametrize("kv", ["float32", "int8"])
def test_sliding_keys_come_back_from_the_host(narrow, kv):
    """Answers that grow, fork, rewind and end in any order, with too little room on the card for them all."""
    on_card, on_cpu = core_of(narrow, "cuda", PLACES, kv), core_of(narrow, "cpu", kv=kv)
    rng, n_moved = np.random.default_rng(4), 0
    pairs = [(on_card.sequence(), on_cpu.sequence())]
    for _ in range(120):
        at = int(rng.integers(len(pairs)))
        sequences = pairs[at]
        act = rng.choice(["write"] * 7 + ["fork", "fork", "rewind", "end", "copy"])
        if act == "write" and sequences[0].length < 300:
            ids = tokens_of(rng, int(rng.choice([1, 1, 3, 40, 90])))
            expected = on_cpu.logits([(sequences[1], ids, 1)])
            np.testing.assert_array_equal(on_card.logits([(sequences[0], ids, 1)]), expected)
        elif act == "fork" and len(pairs) < 4:
            pairs.append(tuple(s.fork() for s in sequences))
        elif act == "rewind":
            length = int(rng.integers(sequences[0].length + 1))
            for s in sequences:
                s.rewind(length)
        elif act == "end" and len(pairs) > 1:
            del pairs[at]
        elif act == "copy" and sequences[0].length >= 32:  # as by a file of kept keys and values
            blocks = sequences[0].blocks
            data = on_card.kv.read(blocks[0])
            np.testing.assert_array_equal(data, on_cpu.kv.read(sequences[1].blocks[0]))
            made = on_card.kv.make_from(data)
            pairs[at] = on_card.sequence([made, *blocks[1:]], sequences[0].length), sequences[1]
            on_card.kv.release([made])
        n_moved = max(n_moved, 2 * on_card.kv.n_blocks - PLACES)
    assert n_moved > 4, "parts that had no room on the card"
    del pairs, sequences
    assert on_card.kv.n_blocks == 0


def test_a_long_text_needs_one_part_of_its_blocks_on_the_card(narrow):
    """Prompt by prompt, then token by token, where steps begin before they are asked for."""
    results = []
    for model in (core_of(narrow, "cuda", 22), core_of(narrow, "cpu")):
        rng, sequence = np.random.default_rng(5), model.sequence()
        logits = [model.logits([(sequence, tokens_of(rng, 60), 2)]) for _ in range(6)]
        sampler, ids = _core.Sampler(n_vocab=300, temperature=0.8, seed=2), tokens_of(rng, 1)
        written = []
        for position in range(80):
            chooser = _core.Chooser(sampler, sequence.length + 1)
            (choice,) = model.step([(sequence, ids, 1)], [chooser]).choices
            written.append(choice.token)
            ids = np.array([choice.token], np.int32)
            if position == 60:
                sequence.rewind(100)
        results.append((np.concatenate(logits), written))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_a_pass_that_reads_more_than_there_is_room_for_says_so_and_changes_nothing(narrow):
    model, ids = core_of(narrow, "cuda", 8), np.arange(60, dtype=np.int32)
    assert model.kv.host_bytes(1) == 0
    first, second = model.sequence(), model.sequence()
    expected = model.logits([(first, ids, 1)])
    with pytest.raises(MemoryError, match="no room for the keys and values that one pass reads"):
        model.logits([(second, np.arange(200, dtype=np.int32), 1)])
    assert (second.length, model.kv.n_blocks) == (0, 2)
    assert model.kv.host_bytes(4) == 2 * model.kv.block_bytes // 3 * 2  # two of the first have moved already
    np.testing.assert_array_equal(model.logits([(second, ids, 1)]), expected)


def test_the_plan_holds():
    """The model takes what was planned, and no more. A real driver takes some by itself as it goes on."""
    card = cards.look(with_free_memory=True).cards[0]
    before = card.free
    apart = 4 << 20 if os.environ.get("OSSNB_CUDA_DRIVER") else spare(card)

    def taken():
        return before - cards.look(with_free_memory=True).cards[0].free

    with ossnb.load(TINY, device="cuda", context=1024) as model:
        plan = Plan(model.config, has_copies=False)
        assert plan.kv_bytes_per_token == model.kv_bytes_per_token
        assert plan.block_bytes == model.engine.core.kv.block_bytes
        assert abs(taken() - plan.weights) <= apart
        model.complete(IDS * 9, max_tokens=2, seed=1)
        assert plan.weights < taken() <= plan.needed(1024)
    assert taken() <= apart


def test_device_memory_limits_the_context_and_what_is_kept():
    limit = 300_000_000
    with ossnb.load(TINY, device="cuda", device_memory="300 MB") as model:
        plan = Plan(model.config, has_copies=False, host_memory=1 << 40)  # more than they take
        assert model.context == plan.tokens(limit)
        assert model.scheduler.tree.max_bytes == plan.room(limit) < limit
        assert plan.room(limit) / 2 < plan.on_card(limit) <= limit - plan.weights - plan.work
        assert model.complete([1, 2, 3], max_tokens=1, temperature=0).tokens
