"""A step: many rows and sequences in one pass, each as alone; masks; keys and values by handle."""

import dataclasses
import threading

import numpy as np
import pytest

from fakes import wait_until
from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.testing import write_random_checkpoint
from packing import pack_q6

V = 3001
SHAPE = {
    "num_hidden_layers": 2, "hidden_size": 96, "intermediate_size": 32, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "num_local_experts": 2, "num_experts_per_tok": 1,
    "vocab_size": V,
}  # fmt: skip
LM_HEAD = V * 96 * 2  # bytes
SETTINGS = [
    {"temperature": 0}, {"seed": 1}, {"seed": 2, "temperature": 2.5}, {"seed": 3, "top_k": 7},
    {"seed": 4, "top_p": 0.8}, {"seed": 5, "min_p": 0.2}, {"seed": 6, "repetition_penalty": 1.3},
    {"temperature": 0, "presence_penalty": 2.0, "frequency_penalty": 1.0},
    {"seed": 7, "logit_bias": {3: 4.0, 5: -100.0}},
]  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return open_checkpoint(write_random_checkpoint(tmp_path_factory.mktemp("step") / "m", SHAPE, seed=9))


def model_of(opened, screens=False, **changes):
    tensors = opened.tensors | changes
    if screens:
        tiles, norms = pack_q6(tensors["lm_head.weight"])
        tensors = tensors | {"lm_head.weight.q6": tiles, "lm_head.weight.q6_norms": norms}
    return _core.Model(dataclasses.asdict(opened.config), tensors, threads=2)


@pytest.fixture(scope="module", params=[False, True], ids=["all", "screen"])
def model(opened, request):
    return model_of(opened, request.param)


def ids_of(*ids):
    return np.array(ids, np.int32)


def sampler(**settings):
    made = _core.Sampler(n_vocab=V, prompt=ids_of(1, 2, 3), **settings)
    made.accept(40)
    made.accept(40)
    return made


def logits_after(model, ids):
    return model.logits([(model.sequence(), ids, 1)])[0]


def assert_is(choice, sampler, logits, position, n_top=0):
    token, logprob, ids, logprobs = sampler.sample(logits, position, n_top)
    assert choice.token == token
    assert choice.is_finite
    assert choice.logprob == (logprob if n_top else None)
    np.testing.assert_array_equal(choice.top_ids, ids)
    np.testing.assert_array_equal(choice.top_logprobs, logprobs)


# ---- many in one pass


@pytest.mark.parametrize("n_top", [0, 3])
def test_several_rows_and_sequences_are_chosen_from_as_alone(model, n_top):
    samplers = [sampler(**settings) for settings in SETTINGS]
    prompts = [ids_of(*range(i, 3 * i + 2)) for i in range(len(samplers))]
    for n_rows in (1, 2):  # of each sequence: drafts are checked so
        feeds = [(model.sequence(), ids, n_rows) for ids in prompts]
        choosers = [
            _core.Chooser(s, 10 * i + row, n_top=n_top)
            for i, s in enumerate(samplers)
            for row in range(n_rows)
        ]
        step = model.step(feeds, choosers)
        for i, (s, ids) in enumerate(zip(samplers, prompts, strict=True)):
            expected = model.logits([(model.sequence(), ids, n_rows)])
            for row in range(n_rows):
                assert_is(step.choices[i * n_rows + row], s, expected[row], 10 * i + row, n_top)
        assert [feed[0].length for feed in feeds] == [len(ids) for ids in prompts]
    feeds = [(model.sequence(), ids, 0) for ids in prompts]
    assert model.step(feeds, []).choices == []


def test_ways_are_mixed_in_one_step(model):
    """One row wants the token alone, one its logits, one has a single allowed token, one has a few."""
    plain, few = sampler(seed=8), mask_of([5, 17, 2900])
    choosers = [
        _core.Chooser(plain, 0),
        _core.Chooser(plain, 1, keeps_logits=True),
        _core.Chooser(plain, 2, mask=mask_of([2999])),
        _core.Chooser(plain, 3, mask=few, n_top=2),
    ]
    ids = [ids_of(7, i) for i in range(4)]
    choices = model.step([(model.sequence(), each, 1) for each in ids], choosers).choices
    logits = [logits_after(model, each) for each in ids]
    assert_is(choices[0], plain, logits[0], 0)
    np.testing.assert_array_equal(choices[1].logits, logits[1])
    assert (choices[1].token, choices[1].logprob) == plain.sample(logits[1], 1)[:2]
    assert choices[2].token == 2999
    assert_is(choices[3], plain, masked(logits[3], few), 3, 2)
    assert [choice.logits is None for choice in choices] == [True, False, True, True]


# ---- masks


def mask_of(tokens):
    allowed = np.zeros(-(-V // 32) * 32, bool)
    allowed[np.asarray(tokens)] = True
    return np.packbits(allowed, bitorder="little").view(np.uint32)


def masked(logits, mask):
    allowed = np.unpackbits(mask.view(np.uint8), bitorder="little")[:V].astype(bool)
    return np.where(allowed, logits, np.float32(-np.inf))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: ",".join(settings))
@pytest.mark.parametrize("n_allowed", [1, 2, 30, V // 24, V // 24 + 1, 600, 2950, V])
def test_a_mask_is_minus_infinity_for_the_others(model, settings, n_allowed):
    rng = np.random.default_rng(n_allowed)
    chosen = sampler(**settings)
    for position in range(6):
        ids = rng.integers(0, V, 2).astype(np.int32)
        mask = mask_of(rng.permutation(V)[:n_allowed])
        logits = masked(logits_after(model, ids), mask)
        for n_top in (0, 4):
            chooser = _core.Chooser(chosen, position, mask=mask, n_top=n_top)
            (choice,) = model.step([(model.sequence(), ids, 1)], [chooser]).choices
            if "logit_bias" in settings and np.isneginf(logits[5]):  # -inf + inf is no number
                assert np.isfinite(logits[choice.token])
            else:
                assert_is(choice, chosen, logits, position, min(n_top, n_allowed))


def test_a_mask_of_the_likeliest_or_of_all_but_it(model):
    for seed in range(20):
        ids, greedy = ids_of(seed, 3), sampler(temperature=0)
        logits = logits_after(model, ids)
        order = np.argsort(-logits, kind="stable")
        for tokens in (order[:200], order[1:], order[-200:], order[100:1000]):
            chooser = _core.Chooser(greedy, 0, mask=mask_of(tokens))
            (choice,) = model.step([(model.sequence(), ids, 1)], [chooser]).choices
            assert choice.token == tokens[0]


def test_few_allowed_tokens_read_few_rows_and_one_reads_none(model):
    def n_bytes(tokens):
        chooser = _core.Chooser(sampler(seed=1), 0, mask=mask_of(tokens))
        return model.step([(model.sequence(), ids_of(1, 2), 1)], [chooser]).n_bytes

    one = n_bytes([77])
    assert n_bytes(range(50)) - one == 50 * 96 * 2
    assert n_bytes(range(V // 24)) - one == V // 24 * 96 * 2
    assert n_bytes(range(V)) - one > LM_HEAD / 3


def test_a_mask_never_gives_a_token_that_it_disallows(opened):
    nothing_left = sampler(seed=1, logit_bias={7: -float("inf")})
    no_numbers = model_of(opened, **{"model.norm.weight": np.full(96, 0x7FC0, np.uint16)})
    for made, chosen in ((model_of(opened), nothing_left), (no_numbers, sampler(seed=1))):
        for tokens in ([7], [7, 7], range(7, 3000)):
            chooser = _core.Chooser(chosen, 0, mask=mask_of(tokens))
            (choice,) = made.step([(made.sequence(), ids_of(1), 1)], [chooser]).choices
            assert 7 <= choice.token < 3000


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(94, np.uint32), "allows no token"),
        (np.full(93, 1, np.uint32), "has 93 words, expected 94"),
        (np.full((94, 1), 1, np.uint32), "one-dimensional"),
        (np.array([0] * 93 + [1 << 31], np.uint32), "allows no token"),  # token 3007 of 3001
    ],
)
def test_a_wrong_mask_is_a_value_error(mask, message):
    with pytest.raises(ValueError, match=message):
        _core.Chooser(sampler(), 0, mask=mask)


@pytest.mark.parametrize("screens", [False, True])
@pytest.mark.parametrize("bits", [0x7FC0, 0x7F80])
def test_numbers_that_are_none_are_told(opened, screens, bits):
    broken = model_of(opened, screens, **{"model.norm.weight": np.full(96, bits, np.uint16)})
    for mask in (None, mask_of([5]), mask_of([5, 6])):
        chooser = _core.Chooser(sampler(seed=1), 0, mask=mask)
        assert not broken.step([(broken.sequence(), ids_of(1), 1)], [chooser]).choices[0].is_finite


# ---- mistakes


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    shape = SHAPE | {"vocab_size": 40}
    return write_random_checkpoint(tmp_path_factory.mktemp("step") / "tiny", shape, seed=1)


def test_wrong_arguments_are_value_errors_and_change_nothing(opened, tiny):
    model, other = model_of(opened), model_of(opened)
    sequence, chooser = model.sequence(), _core.Chooser(sampler(), 0)
    small = _core.Chooser(_core.Sampler(n_vocab=40), 0)
    for feeds, choosers, message in [
        ([(sequence, ids_of(1), 1)], [], "0 choosers were given for 1 wanted rows"),
        ([(sequence, ids_of(1, 2), 1)], [chooser, chooser], "2 choosers were given for 1"),
        ([(sequence, ids_of(1), 1)], [small], "another vocabulary, of 40 tokens; expected 3001"),
        ([(other.sequence(), ids_of(1), 1)], [chooser], "belongs to another model"),
        ([(sequence, ids_of(1), 0), (other.sequence(), ids_of(1), 1)], [chooser], "belongs to another"),
        ([(sequence, ids_of(V), 1)], [chooser], "outside the vocabulary"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.step(feeds, choosers)
    assert (sequence.length, model.kv.n_blocks) == (0, 0)
    shape = open_checkpoint(tiny)
    smaller = _core.Model(dataclasses.asdict(shape.config), shape.tensors, threads=1)
    with pytest.raises(ValueError, match="belongs to another model"):
        smaller.trace(sequence, ids_of(1))
    with pytest.raises(ValueError, match="there is no device 'abacus'; choose one of: cpu"):
        _core.Model(dataclasses.asdict(shape.config), shape.tensors, threads=1, device="abacus")
    with pytest.raises(ValueError, match="there is no device 'abacus'"):
        _core.packings(dataclasses.asdict(shape.config), "exact", "abacus")


# ---- keys and values by handle


def test_references_are_counted_and_bytes_are_true(opened):
    model = model_of(opened)
    kv, n = model.kv, model.kv.block_tokens
    assert kv.block_bytes == n * model.kv_bytes_per_token
    parent = model.sequence()
    model.step([(parent, np.arange(2 * n + 5, dtype=np.int32), 0)], [])
    assert (kv.n_blocks, kv.used_bytes, len(parent.blocks)) == (3, 3 * kv.block_bytes, 3)
    child = parent.fork()
    assert child.blocks == parent.blocks
    assert [kv.references(block) for block in parent.blocks] == [2, 2, 2]

    model.step([(child, ids_of(1), 0)], [])  # copies the last block, which it shares

    assert child.blocks[:2] == parent.blocks[:2]
    assert child.blocks[2] != parent.blocks[2]
    assert kv.used_bytes == 4 * kv.block_bytes
    child.rewind(n)
    assert (child.blocks, kv.n_blocks) == (parent.blocks[:1], 3)
    kept = parent.blocks
    kv.retain(kept[:2])
    del parent, child
    assert (kv.n_blocks, [kv.references(block) for block in kept[:2]]) == (2, [1, 1])
    kv.release(kept[:2])
    assert (kv.n_blocks, kv.used_bytes) == (0, 0)


def test_a_sequence_from_blocks_goes_on_with_the_same_bits(opened):
    model = model_of(opened)
    n, ids = model.kv.block_tokens, np.arange(100, dtype=np.int32)
    first = model.sequence()
    expected = model.logits([(first, ids, 100)])
    for length in (0, 1, n - 1, n, n + 7, 100):
        shared = model.sequence(first.blocks[: -(-length // n)], length)
        got = model.logits([(shared, ids[length:], 100 - length)]) if length < 100 else expected[:0]
        np.testing.assert_array_equal(got, expected[length:])
    assert model.logits([(first, ids_of(1), 1)]).shape == (1, V)


def test_blocks_that_are_not_alive_or_do_not_fit_are_refused(opened):
    model = model_of(opened)
    n = model.kv.block_tokens
    sequence = model.sequence()
    model.step([(sequence, np.arange(2 * n, dtype=np.int32), 0)], [])
    blocks = sequence.blocks
    for wrong, length in [(blocks, n), (blocks[:1], n + 1), ([], 1), (blocks, -1), (blocks[:1], 0)]:
        with pytest.raises(ValueError, match="do not hold"):
            model.sequence(wrong, length)
    for wrong in ([99], [-1], [blocks[0], 99]):
        for call in (model.kv.retain, model.kv.release, lambda ids: model.sequence(ids, n * len(ids))):
            with pytest.raises(ValueError, match="is not alive"):
                call(wrong)
    with pytest.raises(ValueError, match="is not alive"):
        model.kv.release([blocks[0], blocks[0]])
    assert [model.kv.references(block) for block in blocks] == [1, 1]
    del sequence
    for call in (model.kv.references, lambda block: model.sequence([block], n)):
        with pytest.raises(ValueError, match="is not alive"):
            call(blocks[0])


def test_a_store_outlives_its_model(opened):
    model = model_of(opened)
    sequence, kv = model.sequence(), model.kv
    model.step([(sequence, ids_of(1, 2), 0)], [])
    del model
    assert (sequence.length, kv.n_blocks) == (2, 1)
    sequence.rewind(0)
    assert kv.n_blocks == 0


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A model slow enough to be stopped in the middle: one call takes seconds on the scalar level."""
    shape = {"num_hidden_layers": 24, "hidden_size": 256, "intermediate_size": 256, "vocab_size": 300}
    opened = open_checkpoint(write_random_checkpoint(tmp_path_factory.mktemp("slow") / "m", shape, seed=3))
    return _core.Model(dataclasses.asdict(opened.config), opened.tensors, threads=2, isa="reference")


@pytest.mark.slow
def test_a_cancelled_step_leaves_sequences_and_blocks_as_they_were(slow):
    sequence, other, flag = slow.sequence(), slow.sequence(), _core.CancelFlag()
    slow.step([(sequence, np.arange(40, dtype=np.int32), 0)], [])
    child, kv = sequence.fork(), slow.kv
    blocks = sequence.blocks
    chosen = _core.Sampler(n_vocab=300)
    long = np.arange(600, dtype=np.int32) % 300
    seen = []

    def look():
        wait_until(lambda: kv.n_blocks > 10, 60)  # those of the step
        seen.append((child.length, child.blocks, other.length))
        with pytest.raises(RuntimeError, match="a step in another thread"):
            chosen.accept(1)
        flag.set()

    thread = threading.Thread(target=look)
    thread.start()
    with pytest.raises(_core.Cancelled):
        slow.step([(child, long, 1), (other, long, 0)], [_core.Chooser(chosen, 0)], flag)
    thread.join()
    assert seen == [(40, blocks, 0)]
    assert (child.length, child.blocks, other.length, other.blocks) == (40, blocks, 0, [])
    assert [kv.references(block) for block in blocks] == [2, 2]
    assert kv.n_blocks == 2
    chosen.accept(1)


@pytest.mark.slow
def test_blocks_are_released_while_a_pass_runs(slow):
    kept = slow.sequence()
    slow.step([(kept, np.arange(40, dtype=np.int32), 0)], [])
    expected = slow.logits([(slow.sequence(), np.arange(12, dtype=np.int32), 12)])
    done = threading.Event()

    def churn():
        while not done.is_set():
            fork = kept.fork()
            fork.rewind(20)
            shared = slow.sequence(fork.blocks, 20)
            slow.kv.retain(fork.blocks)
            slow.kv.release(shared.blocks)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        got = slow.logits([(slow.sequence(), np.arange(12, dtype=np.int32), 12)])
    finally:
        done.set()
        thread.join()
    np.testing.assert_array_equal(got, expected)
    assert [slow.kv.references(block) for block in kept.blocks] == [1] * len(kept.blocks)


def test_blocks_that_were_released_too_often_do_not_end_the_process(model):
    sequence = model.sequence()
    model.step([(sequence, np.array([1, 2, 3], np.int32), 0)], [])
    model.kv.release(sequence.blocks)
    with pytest.raises(ValueError, match="is not alive"):
        model.kv.release(sequence.blocks)
    del sequence
    assert model.kv.n_blocks == 0
