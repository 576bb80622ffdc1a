"""Loading and using a model, on the real engine with random weights."""

from __future__ import annotations

import _thread
import copy
import os
import pickle
import re
import shutil
import threading
import time

import numpy as np
import pytest

import ossnb
from builders import edit_tensors
from fakes import random_model, scripted_model, wait_until
from ossnb import loader
from ossnb.checkpoint import demo, hub
from ossnb.engine.scheduler import PASS_ROWS
from ossnb.errors import CheckpointError, ContextFull, Interrupted
from ossnb.harmony import tokenizer
from ossnb.loader import MIN_CONTEXT, fitting_context
from ossnb.system import machine
from ossnb.testing import write_random_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("model") / "tiny", shape="tiny", seed=1)


@pytest.fixture(scope="module")
def model(folder):
    with ossnb.load(folder) as model:
        yield model


@pytest.fixture(scope="module")
def big_vocabulary(tmp_path_factory):
    """A model that can speak harmony, if only noise."""
    folder = tmp_path_factory.mktemp("model") / "wide"
    return ossnb.load(write_random_checkpoint(folder, shape={"vocab_size": 201088}, layers=2, seed=1))


# ---- load -------------------------------------------------------------------------------------------------


def test_a_loaded_model_tells_what_it_is(model, folder):
    assert model.config.vocab_size == 512
    assert (model.source, model.revision, model.precision) == (str(folder), None, "exact")
    assert model.threads == machine.physical_cores()
    assert 0 < model.context <= model.config.max_position_embeddings
    assert "tiny" in repr(model)
    assert "precision='exact'" in repr(model)
    assert len(model.fingerprint) >= 16


def test_threads_can_be_given_and_changed(folder):
    with ossnb.load(str(folder), threads=1) as model:
        assert model.threads == 1
        first = model.complete(range(40), max_tokens=8, seed=1).tokens
        model.threads = 3
        model.forget()
        assert model.threads == 3
        assert model.complete(range(40), max_tokens=8, seed=1).tokens == first
        with pytest.raises(ValueError, match="threads"):
            model.threads = 0
        for n in (100_000, 10**5000, "3", None, 1.5):
            with pytest.raises(ValueError, match="threads must be"):
                model.threads = n
        assert model.threads == 3
        assert model.complete(range(40), max_tokens=8, seed=1).tokens == first


def test_a_device_that_fails_is_a_device_error_and_the_model_goes_on():
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")

    def fail(n):
        raise RuntimeError("out of memory in moe.cu")

    core = model.engine.core
    before, core.before_forward = core.before_forward, fail
    with pytest.raises(ossnb.DeviceError, match=r"device 'cpu' failed: out of memory in moe.cu; the model"):
        model.generate("Hi")
    with pytest.raises(ossnb.DeviceError, match="still usable"):
        model.logits([1, 2])
    core.before_forward = before
    assert model.generate("Hi").text == "Hello."


def test_pickling_says_what_to_do():
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")
    chat, stream = model.chat(), model.stream("Hi")
    for thing in (model, chat, [model], stream, model.astream("Hi"), model.map(["Hi"])):
        with pytest.raises(TypeError, match=r"cannot be pickled"):
            pickle.dumps(thing)
    with pytest.raises(TypeError, match=r"ossnb.load\('fake'\).*A chat has save, and Chat.load"):
        pickle.dumps(chat)
    assert copy.copy(model) is model
    chat.say("Hi")
    other = copy.deepcopy(chat)
    other.say("Hi")
    assert (len(chat.messages), len(other.messages), other.model) == (2, 4, model)
    assert pickle.loads(pickle.dumps(chat.messages)) == chat.messages
    with chat.stream("Hi"):
        copy.deepcopy(chat).say("Hi")  # the copy has no open stream


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "quick"}, "precision must be 'exact' or 'fast', got 'quick'"),
        ({"threads": 0}, "threads must be an integer >= 1 or None, got 0"),
        ({"threads": "4"}, "threads must be an integer"),
        ({"threads": True}, "threads must be an integer"),
        (
            {"threads": 100_000},
            r"threads must be at most \d+, 4 for each of .* \d+ cores, got 100000",
        ),
        ({"threads": 10**5000}, "threads must be at most"),
        ({"context": 1}, r"context must be an integer in 2..131072 \(max_position_embeddings\), got 1"),
        ({"context": 200_000}, "context must be an integer in 2..131072"),
        ({"context": 10.5}, "context must be an integer"),
        ({"revision": "main"}, "is a folder, not a hub repository"),
    ],
)
def test_wrong_settings_are_refused(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        ossnb.load(folder, **settings)


def test_what_is_no_model_is_a_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        ossnb.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="no such folder, nor a hub id"):
        ossnb.load("no/such/thing")
    with pytest.raises(OSError, match=r"config\.json"):
        ossnb.load(tmp_path)


def test_no_source_means_the_default_one_and_its_line_is_shown(folder, monkeypatch, capsys):
    monkeypatch.setattr(hub, "default_source", lambda: ("demo", "Using the small embedded model."))
    monkeypatch.setattr(demo, "expand", lambda: folder.parent / "demo-1234")
    folder.parent.joinpath("demo-1234").symlink_to(folder)
    model = ossnb.load()
    assert (model.source, model.revision) == ("demo", "1234")
    assert capsys.readouterr().err == "Using the small embedded model.\n"
    monkeypatch.setattr(hub, "default_source", lambda: (str(folder), None))
    assert ossnb.load().source == str(folder)
    assert capsys.readouterr().err == ""


def test_the_embedded_model_has_no_revisions():
    with pytest.raises(ValueError, match="no revisions to choose from, got 'main'"):
        ossnb.load("demo", revision="main")


def test_weights_larger_than_the_memory_are_warned_of(folder, monkeypatch):
    monkeypatch.setattr(machine, "total_memory", lambda: 1000)
    with pytest.warns(UserWarning, match="larger than the memory"):
        ossnb.load(folder).close()


def test_the_context_follows_the_free_memory(model, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 2_000_000)
    assert fitting_context(model.config, 1000, None) == 1000
    assert fitting_context(model.config, 1000, 2000) == 2000
    assert fitting_context(model.config, 1, None) == 131072
    assert fitting_context(model.config, 10**9, None) == MIN_CONTEXT
    told = "KV cache for 131,072 tokens needs 6.4 GB, 2.0 MB free; try context="
    with pytest.raises(MemoryError, match=told):
        fitting_context(model.config, 49_152, 131072)


# ---- use --------------------------------------------------------------------------------------------------


def test_logits_are_given_for_every_token_and_do_not_depend_on_chunks(model):
    tokens = np.random.default_rng(0).integers(0, 512, PASS_ROWS + 40)
    logits = model.logits(tokens)
    assert (logits.shape, logits.dtype) == ((PASS_ROWS + 40, 512), np.float32)
    assert np.array_equal(model.logits(tokens[:30]), logits[:30])
    assert np.array_equal(model.logits(list(tokens[:1])), logits[:1])


def test_greedy_text_follows_the_logits(model):
    reply = model.complete(range(20), max_tokens=10, temperature=0)
    assert reply.finish_reason == "length"
    logits = model.logits([*range(20), *reply.tokens])
    assert reply.tokens == logits[19:-1].argmax(1).tolist()
    assert reply.stats.gb_s > 0


def test_replies_are_the_same_with_and_without_reuse(model):
    model.forget()
    prompt = np.random.default_rng(1).integers(0, 512, 300).tolist()
    first = model.complete(prompt, max_tokens=12, seed=9)
    again = model.complete(prompt, max_tokens=12, seed=9)
    assert (first.stats.n_cached_tokens, again.stats.n_cached_tokens) == (0, 299)
    assert again.tokens == first.tokens
    edited = [*prompt[:150], 7, *prompt[151:]]
    reused = model.complete(edited, max_tokens=12, seed=9)
    model.forget()
    assert reused.stats.n_cached_tokens == 150
    assert model.complete(edited, max_tokens=12, seed=9).tokens == reused.tokens


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "at least one token, got none"),
        ([1, 512], r"token_ids\[1\] must be in 0..511 \(vocab_size\), got 512"),
        ([-1], r"token_ids\[0\] must be in 0..511"),
        ([1.0], r"\[0\] must be an integer, got 1.0"),
        ([True], r"\[0\] must be an integer, got True"),
        (["a"], r"\[0\] must be an integer, got 'a'"),
        (3, "must be a sequence of integers, got int"),
        (b"ab", "must be a sequence of integers, got bytes"),
        (np.zeros((2, 2), int), r"\[0\] must be an integer"),
    ],
)
def test_wrong_token_ids_are_refused_and_the_model_lives_on(model, ids, message):
    for use in (model.logits, model.complete):
        with pytest.raises(ValueError, match=message):
            use(ids)
    assert model.logits([1]).shape == (1, 512)


@pytest.mark.parametrize("options", [{}, {"top_p": 0.9}], ids=["screened", "all logits"])
def test_weights_that_are_no_numbers_are_an_error_not_an_answer(folder, tmp_path, options):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    edit_tensors(damaged, lambda tensors: tensors["model.norm.weight"].__setitem__(3, 0x7FC0))
    with ossnb.load(damaged) as model, pytest.raises(CheckpointError, match="no numbers"):
        model.complete([1, 2, 3], max_tokens=5, seed=1, **options)


def test_the_variable_is_named_when_what_it_names_is_nothing(monkeypatch):
    monkeypatch.setenv("OSSNB_MODEL", "nope")
    with pytest.raises(CheckpointError, match="OSSNB_MODEL names 'nope': "):
        ossnb.load()


def test_the_prompt_the_instructions_and_the_effort_may_be_positions():
    model = scripted_model("<|channel|>final<|message|>Hi")
    first = model.generate("Hello", "Be brief.", "low", seed=1)
    same = model.generate(prompt_or_messages="Hello", instructions="Be brief.", effort="low", seed=1)
    assert (first.prompt_tokens, first.effort) == (same.prompt_tokens, "low")


def test_too_many_tokens_and_too_little_memory(folder, monkeypatch):
    with ossnb.load(folder, context=64) as model:
        with pytest.raises(ContextFull, match="65 tokens are more than the context holds, 64"):
            model.logits([1] * 65)
        with pytest.raises(ContextFull, match="the prompt has 64 tokens and the context holds 64"):
            model.complete([1] * 64)
        with pytest.raises(ContextFull, match=r"or load with more context \(<= "):
            model.complete([1] * 64)
        assert model.complete([1] * 60).finish_reason == "context"
        monkeypatch.setattr(machine, "available_memory", lambda: 1000)
        with pytest.raises(MemoryError, match=r"logits of 64 tokens need [0-9.]+ kB, 1.0 kB free"):
            model.logits([1] * 64)


def test_a_small_vocabulary_takes_ids_and_refuses_harmony(model):
    with pytest.raises(
        ValueError, match="vocabulary has 512 tokens, harmony needs ids up to 200,012; use complete"
    ):
        model.generate("Hi")
    with pytest.raises(ValueError, match=r"token_ids\[\d+\] must be in 0..511"):
        model.complete("Hello world")


def test_settings_are_checked_before_anything_runs(model):
    with pytest.raises(ValueError, match="temperature must be >= 0, got -1"):
        model.complete([1], temperature=-1)
    with pytest.raises(ValueError, match="logit_bias: token id must be below 512"):
        model.complete([1], logit_bias={512: 1})
    with pytest.raises(TypeError, match="unknown setting 'max_token'"):
        model.complete([1], max_token=1)
    with pytest.raises(ValueError, match="effort must be one of"):
        scripted_model("x").generate("Hi", effort="most")
    with pytest.raises(ValueError, match="instructions must be a str"):
        scripted_model("x").generate("Hi", instructions=3)


@pytest.mark.slow
def test_random_weights_through_harmony_lose_no_text(big_vocabulary):
    reply = big_vocabulary.generate("Hi", max_tokens=80, seed=1, temperature=1.5)
    assert reply.finish_reason in ("length", "stop", "tool_calls")
    assert len(reply.tokens) <= 80
    assert reply.text or reply.reasoning or reply.notes
    assert big_vocabulary.generate("Hi", max_tokens=80, seed=1, temperature=1.5).text == reply.text


def test_an_interrupt_in_a_long_prompt_stops_soon_and_the_model_lives_on(big_vocabulary):
    kv, interrupted_at = big_vocabulary.engine.core.kv, []
    n_blocks = kv.n_blocks

    def interrupt():
        wait_until(lambda: kv.n_blocks > n_blocks, 60)  # it reads the prompt
        interrupted_at.append(time.process_time())
        _thread.interrupt_main()

    stream = big_vocabulary.stream_complete("word " * 100_000)
    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted) as caught:
        stream.run()
    assert time.process_time() - interrupted_at[0] < 2  # 20 ms on an idle machine
    assert caught.value.reply is stream.reply
    assert (stream.reply.finish_reason, stream.reply.tokens) == ("interrupted", [])
    assert big_vocabulary.complete("Hi", max_tokens=2).finish_reason in ("length", "stop")


def test_cancel_stops_a_running_prefill(big_vocabulary):
    stream = big_vocabulary.stream_complete("other " * 20_000)
    cancelling = threading.Thread(target=stream.cancel)
    for event in stream:
        if event.kind == "progress" and cancelling.ident is None:  # the first of some forty pieces is read
            cancelling.start()
    assert stream.reply.finish_reason == "cancelled"
    assert stream.reply.tokens == []


def test_two_threads_share_a_model(model):
    prompts = [[i, *range(60)] for i in range(4)]
    alone = [model.complete(prompt, max_tokens=15, seed=3).tokens for prompt in prompts]
    model.forget()
    together = [None] * 4

    def run(i):
        together[i] = model.complete(prompts[i], max_tokens=15, seed=3).tokens

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == alone


def test_the_tokenizer_is_at_hand(model):
    assert model.tokenizer.decode(model.tokenizer.encode("Hi")) == "Hi"


def test_a_closed_model_says_so(folder):
    with ossnb.load(folder) as model:
        stream = model.stream_complete([1], max_tokens=1)
    assert "closed" in repr(model)
    with pytest.raises(RuntimeError, match="was closed; load it again"):
        model.logits([1])
    with pytest.raises(RuntimeError, match="was closed"):
        model.complete([1])
    assert stream.run().finish_reason == "length"  # what runs already holds on to the weights


# ---- files that change under a model ----------------------------------------------------------------------


@pytest.fixture
def file(folder, tmp_path):
    """The weights of a model of one's own."""
    shutil.copytree(folder, tmp_path / "own")
    return tmp_path / "own" / "model.safetensors"


def test_a_file_that_became_shorter_is_an_error_and_not_the_end_of_the_process(file):
    whole = file.read_bytes()
    with ossnb.load(file.parent) as model:
        before = model.complete(range(20), max_tokens=5, seed=1).tokens
        model.forget()
        with file.open("r+b") as opened:
            opened.truncate(len(whole) // 2)
        uses = [
            lambda: model.complete(range(20)),
            lambda: model.logits([1, 2]),
            lambda: model.trace([1, 2]),
        ]
        for use in uses:
            with pytest.raises(CheckpointError) as caught:
                use()
            assert re.search(
                r"model\.safetensors: has [\d,]+ bytes now and had [\d,]+ when it was mapped",
                str(caught.value),
            )
        with file.open("r+b") as opened:  # the same file again, as a restarted download writes it
            opened.write(whole)
        assert model.complete(range(20), max_tokens=5, seed=1).tokens == before


def test_a_file_that_shrinks_while_a_reply_is_written_keeps_what_is_written(file):
    with ossnb.load(file.parent) as model:
        stream = model.stream_complete(range(20), max_tokens=50, seed=1)
        while len(stream.reply.tokens) < 5:
            next(stream)
        os.truncate(file, 1000)
        with pytest.raises(CheckpointError, match="when it was mapped"):
            stream.run()
        assert stream.reply.finish_reason == "error"
        assert 5 <= len(stream.reply.tokens) < 50


def test_a_file_that_is_replaced_or_removed_does_no_harm(file):
    with ossnb.load(file.parent) as model:
        before = model.complete(range(20), max_tokens=5, seed=1).tokens
        other = file.with_name("new")
        other.write_bytes(b"short")
        other.replace(file)
        model.forget()
        assert model.complete(range(20), max_tokens=5, seed=1).tokens == before
        file.unlink()
        assert model.complete(range(20), max_tokens=5, seed=1).tokens == before


# ---- the default model ------------------------------------------------------------------------------------


@pytest.fixture
def no_default():
    ossnb.set_default_model(None)
    yield
    ossnb.set_default_model(None)


def test_module_functions_use_the_default_model_and_load_it_once(no_default, monkeypatch):
    loaded = []

    def load():
        loaded.append(scripted_model("<|channel|>final<|message|>4<|return|>"))
        return loaded[-1]

    monkeypatch.setattr(loader, "load", load)
    assert ossnb.generate("What is 2 + 2?", effort="low").text == "4"
    assert [e.text for e in ossnb.stream("What is 2 + 2?") if e.kind == "answer"] == ["4"]
    assert ossnb.complete("2 + 2 =").finish_reason == "stop"
    assert loaded == [ossnb.default_model()]


def test_the_default_model_can_be_set(no_default):
    model = random_model()
    ossnb.set_default_model(model)
    assert ossnb.default_model() is model
    assert len(ossnb.complete([1, 2], max_tokens=3).tokens) == 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, text: model.generate(text),
        lambda model, text: model.generate("q", instructions=text),
        lambda model, text: model.generate([{"role": "user", "content": text}] * 3),
        lambda model, text: model.complete(text),
        lambda model, text: model.trace(text),
    ],
)
def test_a_text_that_cannot_fit_is_refused_before_it_is_cut_into_tokens(ask, monkeypatch):
    def encode(*_, **__):
        pytest.fail("the text was read")

    model = scripted_model("<|channel|>final<|message|>Hi")
    monkeypatch.setattr(tokenizer.Tokenizer, "encode", encode)
    with pytest.raises(ContextFull, match=r"at least [0-9,]+ tokens|more than the context holds"):
        ask(model, "x" * (128 * model.context + 1))
