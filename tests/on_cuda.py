"""A model on a card beside the same model on the CPU, equal to the bit; run by tests/test_cuda_device.py."""

from __future__ import annotations

import numpy as np
import pytest

import bits
import ossnb
from ossnb.devices import cards
from ossnb.devices.plan import Plan
from ossnb.saved.record import Record, record_of
from ossnb.saved.verify import differences

pytestmark = pytest.mark.cuda
PROMPT = "What is 17 + 25?"
LONG = "Say it again: " + "one, two, three, " * 8


@pytest.fixture(scope="module", params=["exact", "fast"])
def pair(request):
    """The demo model on a card and on the CPU."""
    load = {device: ossnb.load("demo", device=device, precision=request.param) for device in ("cuda", "cpu")}
    yield tuple(load.values())
    for model in load.values():
        model.close()


def both(pair, ask):
    """What both models answer, which must be the same."""
    on_card, on_cpu = (ask(model) for model in pair)
    assert on_card == on_cpu
    return on_card


def test_the_device_has_its_full_name(pair):
    assert [model.device for model in pair] == ["cuda:0", "cpu"]
    reply = pair[0].generate(PROMPT, max_tokens=1, seed=1)
    assert reply.device == "cuda:0"
    assert reply.to_dict()["device"] == "cuda:0"
    assert "device='cuda:0'" in repr(pair[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0},
        {"temperature": 0.9, "seed": 3, "logprobs": 2},
        {"seed": 5, "top_p": 0.9, "top_k": 40},
        {"seed": 6, "schema": ["yes", "no"]},
    ],
)
def test_the_same_text(pair, settings):
    def ask(model):
        reply = model.generate(PROMPT, max_tokens=12, effort="low", **settings)
        return reply.tokens, reply.text, reply.logprobs

    assert both(pair, ask)[0]


def test_a_prompt_that_begins_like_an_earlier_one_is_not_read_again(pair):
    for model in pair:
        model.forget()
    ids = pair[0].tokenizer.encode(LONG)

    def ask(model):
        first = model.complete(ids, max_tokens=3, temperature=0)
        second = model.complete([*ids[:50], *ids[3:10]], max_tokens=3, seed=2)
        assert second.stats.cached_tokens >= 32
        fresh = model.complete([*ids[:50], *ids[3:10]], max_tokens=3, seed=2)
        assert fresh.tokens == second.tokens
        return first.tokens, second.tokens

    both(pair, ask)


def test_samples_branches_and_conversations(pair):
    def ask(model):
        replies = model.generate(PROMPT, n=2, max_tokens=5, seed=4)
        branch = replies[0].branch(2, " so", max_tokens=4, temperature=0)
        chat = model.chat(effort="low")
        chat.say("Hi", max_tokens=4, seed=1)
        return [r.tokens for r in replies], branch.tokens, chat.say("And now?", max_tokens=4, seed=2).tokens

    both(pair, ask)


def test_the_same_insides(pair):
    ids = pair[0].tokenizer.encode(LONG)
    kinds = ("router", "attention", "hidden", "logit_lens", "logits")
    on_card, on_cpu = (model.trace(ids, what=kinds, start=20) for model in pair)
    assert on_card.keys() == on_cpu.keys()
    for name, array in on_card.items():
        np.testing.assert_array_equal(array, on_cpu[name], name)


def test_views_of_a_reply(pair):
    def ask(model):
        reply = model.generate(PROMPT, max_tokens=4, seed=1)
        return [view.to_html() for view in (reply.inspect(), reply.experts())]

    both(pair, ask)


@pytest.mark.parametrize("precision", bits.PRECISIONS)
@pytest.mark.parametrize("kv", ["float32", "int8"])
def test_the_logits_of_a_checkpoint_with_few_experts(precision, kv):
    ids = np.load(bits.TINY / "prompt_long.npy").tolist()
    found = []
    for device in ("cuda", "cpu"):
        with ossnb.load(bits.TINY / "hf", device=device, precision=precision, kv=kv) as model:
            found.append(model.logits(ids))
    np.testing.assert_array_equal(*found)


def test_kept_keys_and_values_go_from_device_to_device(pair, tmp_path):
    ids = pair[0].tokenizer.encode(LONG)
    for writer, reader in (pair, pair[::-1]):
        writer.forget()
        expected = writer.complete(ids, max_tokens=3, temperature=0)
        writer.save_cache(tmp_path / "kept.ossnb")
        reader.forget()
        assert reader.load_cache(tmp_path / "kept.ossnb") >= 32
        again = reader.complete(ids, max_tokens=3, temperature=0)
        assert again.tokens == expected.tokens
        assert again.stats.cached_tokens >= 32


def test_an_answer_of_one_device_is_verified_on_the_other(pair):
    reply = pair[0].generate(PROMPT, max_tokens=4, seed=1)
    record = Record.read(record_of(reply))
    assert record.facts["device"] == "cuda:0"
    assert differences(record.facts, pair[1]) == []


def test_the_plan_holds(tmp_path):
    """The card gives what was planned, and no more."""
    (before,) = (card.free for card in cards.look(with_free_memory=True).cards if card.ordinal == 0)

    def taken():
        return before - cards.look(with_free_memory=True).cards[0].free

    with ossnb.load("demo", device="cuda", context=1024) as model:
        plan = Plan(model.config, has_copies=False)
        assert plan.kv_bytes_per_token == model.kv_bytes_per_token
        assert plan.block_bytes == model.engine.core.kv.block_bytes
        assert abs(taken() - plan.weights) <= 4 << 20
        model.complete(model.tokenizer.encode(LONG * 9)[:600], max_tokens=2, seed=1)
        assert plan.weights < taken() <= plan.needed(1024)
    assert taken() <= 4 << 20


def test_device_memory_limits_the_context_and_what_is_kept():
    with ossnb.load("demo", device="cuda", device_memory="900 MB") as model:
        plan = Plan(model.config, has_copies=False)
        assert model.context == min(plan.tokens(900_000_000), model.config.max_position_embeddings)
        assert model.scheduler.tree.max_bytes == plan.room(900_000_000)
        assert model.complete([1, 2, 3], max_tokens=1, temperature=0).tokens
