"""The loop: what is chosen, when it stops, what is kept, and that nothing written is lost."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import random_model, scripted_model, wait_until
from ossnb.engine.scheduler import PASS_ROWS
from ossnb.errors import ContextFull, Interrupted
from ossnb.generation import stream as generation
from ossnb.harmony.stops import StopStrings
from ossnb.harmony.tokenizer import ENDOFTEXT, RETURN, Tokenizer

TURN = "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>"
HELLO = TURN + "Hello there, friend.<|return|>"
TOKENIZER = Tokenizer()


def interrupt_at(model, n_calls):
    """Ctrl-C during the n-th forward call from now."""
    n_calls += len(model.engine.core.computed)

    def before_forward(n):
        if n == n_calls:
            model.engine.core.before_forward = lambda n: None
            raise KeyboardInterrupt

    model.engine.core.before_forward = before_forward


class Clock:
    """A clock of which a pass takes what a test says, however busy the machine is."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1e-6
        return self.now

    def passes_take(self, model, seconds):
        def before_forward(n):
            self.now += seconds

        model.engine.core.before_forward = before_forward


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


# ---- a turn -----------------------------------------------------------------------------------------------


def test_a_reply_has_everything_the_model_wrote():
    reply = scripted_model(HELLO).generate("Hi", instructions="Be kind.", effort="high", seed=3)
    assert (reply.text, reply.reasoning, reply.finish_reason) == (
        "Hello there, friend.",
        "Let me think.",
        "stop",
    )
    assert [m.channel for m in reply.messages] == ["analysis", "final"]
    assert reply.tokens == TOKENIZER.encode(HELLO, special=True)
    assert (reply.notes, reply.tool_calls, reply.logprobs) == ((), [], [])
    assert (reply.seed, reply.effort, reply.model, reply.revision) == (3, "high", "fake", "r1")
    assert "Reasoning: high" in TOKENIZER.decode(reply.prompt_tokens)
    assert len(reply.prompt_sha256) == 64


def test_events_joined_are_the_reply_and_done_comes_last():
    stream = scripted_model(HELLO).stream("Hi")
    events = list(stream)
    reply = events[-1].reply
    assert [e.kind for e in events].count("done") == 1
    assert events[-1].kind == "done"
    assert reply is stream.reply
    assert "".join(e.text for e in events if e.kind == "answer") == reply.text
    assert "".join(e.text for e in events if e.kind == "reasoning") == reply.reasoning
    assert all(e.token in reply.tokens for e in events if e.kind in ("answer", "reasoning"))
    assert list(stream) == []


def test_a_tool_call_ends_the_turn():
    model = scripted_model(
        '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"x": 1}<|call|>'
    )
    events = list(model.stream("Hi", tools=[{"name": "f"}]))
    reply = events[-1].reply
    assert reply.finish_reason == "tool_calls"
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [("f", {"x": 1})]
    assert [e.tool_call for e in events if e.kind == "tool_call"] == reply.tool_calls
    assert reply.text == ""


def test_oddities_become_notes_in_events_and_reply():
    events = list(
        scripted_model("<|channel|>final<|message|>4<|end|><|start|>user<|message|>And").stream("Hi")
    )
    reply = events[-1].reply
    assert reply.text == "4"
    assert reply.finish_reason == "stop"  # somebody else's turn has begun
    assert [e.text for e in events if e.kind == "note"] == list(reply.notes)
    assert "'user'" in reply.notes[0]


def test_stats_count_what_was_computed():
    model = scripted_model(HELLO)
    stats = model.generate("Hi").stats
    assert stats.n_prompt_tokens == model.engine.core.computed[0][1]
    assert stats.n_cached_tokens == 0
    assert stats.n_new_tokens == len(TOKENIZER.encode(HELLO, special=True)) == stats.n_decode_steps + 1
    assert stats.decode_bytes == 1000 * stats.n_decode_steps
    assert stats.prefill_s > 0
    assert stats.decode_s > 0
    assert stats.decode_tok_s > 0


# ---- when it stops ----------------------------------------------------------------------------------------


def test_max_tokens_ends_it_and_keeps_the_text():
    reply = scripted_model(HELLO).generate("Hi", max_tokens=5)
    assert (reply.finish_reason, len(reply.tokens), reply.reasoning) == ("length", 5, "Let me")
    assert [m.content for m in reply.messages] == ["Let me"]


def test_ending_with_the_last_allowed_token_is_a_stop():
    n = len(TOKENIZER.encode(HELLO, special=True))
    assert scripted_model(HELLO).generate("Hi", max_tokens=n).finish_reason == "stop"


def test_a_full_context_ends_it_and_raises_nothing():
    n_prompt = scripted_model(HELLO).generate("Hi").stats.n_prompt_tokens
    model = scripted_model(HELLO, context=n_prompt + 6)
    reply = model.generate("Hi")
    assert (reply.finish_reason, len(reply.tokens)) == ("context", 6)
    assert reply.reasoning == "Let me think"


def test_a_prompt_that_leaves_no_room_is_refused_before_anything_runs():
    n_prompt = scripted_model(HELLO).generate("Hi").stats.n_prompt_tokens
    model = scripted_model(HELLO, context=n_prompt)
    with pytest.raises(
        ContextFull, match=f"the prompt has {n_prompt} tokens and the context holds {n_prompt}"
    ):
        model.stream("Hi")
    assert model.engine.core.computed == []
    assert scripted_model(HELLO, context=n_prompt + 1).generate("Hi").finish_reason == "context"


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("friend", "Hello there, "),
        (["nothing", "there, fr"], "Hello "),
        ("Hello", ""),
        (".", "Hello there, friend"),
        (["friend", "end."], "Hello there, "),
    ],
)
def test_stop_strings_end_the_answer_and_are_never_shown(stop, text):
    model = scripted_model(HELLO)
    events = list(model.stream("Hi", stop=stop))
    reply = events[-1].reply
    assert reply.finish_reason == "stop_string"
    assert reply.text == "".join(e.text for e in events if e.kind == "answer") == text
    assert reply.messages[-1].content == text
    assert reply.reasoning == "Let me think."


def test_stop_strings_do_not_look_at_the_reasoning():
    assert scripted_model(HELLO).generate("Hi", stop="think").text == "Hello there, friend."


def test_text_held_back_for_a_stop_that_does_not_come_is_shown():
    assert scripted_model(TURN + "Hello EN<|return|>").generate("Hi", stop="END").text == "Hello EN"
    n = len(TOKENIZER.encode(TURN + "Hello EN", special=True))
    assert scripted_model(TURN + "Hello ENough").generate("Hi", stop="END", max_tokens=n).text == "Hello EN"


def test_stop_ids_end_it_anywhere():
    word = TOKENIZER.encode(" there")[0]
    reply = scripted_model(HELLO).generate("Hi", stop=[word])
    assert (reply.finish_reason, reply.text, reply.tokens[-1]) == ("stop", "Hello", word)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.text("abE", min_size=1, max_size=3), max_size=8),
    st.sets(st.text("abE", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_work_across_any_edges(texts, strings):
    stops = StopStrings(tuple(strings))
    shown = "".join([stops.feed(text) for text in texts] + [stops.flush()])
    whole = "".join(texts)
    ends = [whole.find(s) for s in strings if s in whole]
    if stops.found is None:
        assert shown == whole
        assert not ends
    else:
        # Found as soon as it is complete: text after it may have held an earlier-starting, later-ending one.
        assert whole.startswith(shown + stops.found)
        assert not any(s in shown for s in strings)


# ---- leaving early ----------------------------------------------------------------------------------------


def test_leaving_the_loop_keeps_what_was_written():
    model = scripted_model(HELLO)
    with model.stream("Hi") as stream:
        for event in stream:
            if event.kind == "answer":
                break
    assert (stream.reply.text, stream.reply.finish_reason) == ("Hello", "cancelled")
    assert model.generate("Hi").text == "Hello there, friend."


def test_letting_go_of_a_stream_ends_it_at_once():
    replies = []
    gc.disable()
    try:
        for event in scripted_model(HELLO).stream("Hi", on_end=replies.append):
            if event.kind == "answer":
                break
    finally:
        gc.enable()
    assert [(reply.text, reply.finish_reason) for reply in replies] == [("Hello", "cancelled")]


def test_a_stream_that_never_ran_has_an_empty_reply():
    model = scripted_model(HELLO)
    stream = model.stream("Hi")
    assert stream.reply.finish_reason == "unfinished"
    stream.close()
    stream.close()
    assert (stream.reply.finish_reason, stream.reply.text, stream.reply.tokens) == ("cancelled", "", [])
    assert model.engine.core.computed == []


def test_the_reply_can_be_looked_at_while_it_is_written():
    stream = scripted_model(HELLO).stream("Hi")
    while next(stream).kind != "answer":
        pass
    assert (stream.reply.finish_reason, stream.reply.text) == ("unfinished", "Hello")
    assert stream.run().text == "Hello there, friend."


@pytest.mark.parametrize("n_calls", range(6))
def test_an_interrupt_loses_nothing_and_leaves_the_model_usable(n_calls):
    model = scripted_model(HELLO)
    interrupt_at(model, n_calls)
    with pytest.raises(KeyboardInterrupt) as caught:
        model.generate("Hi")
    assert isinstance(caught.value, Interrupted)
    reply = caught.value.reply
    assert reply.finish_reason == "interrupted"
    assert reply.tokens == TOKENIZER.encode(HELLO, special=True)[:n_calls]
    assert "Let me think.".startswith(reply.reasoning)
    assert model.generate("Hi").text == "Hello there, friend."


def test_an_interrupt_in_the_callers_loop_is_told_on_the_stream():
    model = scripted_model(HELLO)
    stream = model.stream("Hi")

    def show_events():
        with stream:
            for event in stream:
                if event.kind == "answer":
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_events()
    assert (stream.reply.finish_reason, stream.reply.text) == ("interrupted", "Hello")


def test_the_logits_of_every_choice_can_be_had():
    model = random_model()
    stream = model.stream_complete([5, 9, 2], max_tokens=6, seed=1)
    heard = []
    stream.on_logits = heard.append
    reply = stream.run()
    np.testing.assert_array_equal(heard, model.logits([5, 9, 2, *reply.tokens])[2:-1])


def test_cancel_from_another_thread_ends_the_loop_without_an_exception():
    model = scripted_model(TURN + "again and " * 200)
    started = threading.Event()
    stream = model.stream("Hi")

    def cancel():
        started.wait(10)
        stream.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    events = []
    for event in stream:
        events.append(event)
        if event.kind == "answer" and not started.is_set():
            started.set()
            canceller.join()
    assert events[-1].kind == "done"
    assert events[-1].reply.finish_reason == "cancelled"
    assert events[-1].reply.text == "again"


def test_an_error_of_the_engine_passes_through_and_the_text_is_kept():
    model = scripted_model(HELLO)

    def before_forward(n):
        if n == 5:
            model.engine.core.before_forward = lambda n: None
            raise MemoryError("no room for a KV block")

    model.engine.core.before_forward = before_forward
    stream = model.stream("Hi")
    with pytest.raises(MemoryError, match="KV block"):
        stream.run()
    assert (stream.reply.finish_reason, len(stream.reply.tokens)) == ("error", 5)
    assert model.generate("Hi").text == "Hello there, friend."


def test_on_end_is_called_once_however_it_ends():
    for leave in ("run", "close", "interrupt"):
        model, replies = scripted_model(HELLO), []
        stream = model.stream("Hi", on_end=replies.append)
        if leave == "interrupt":
            interrupt_at(model, 3)
            with pytest.raises(Interrupted):
                stream.run()
        elif leave == "run":
            stream.run()
        stream.close()
        assert replies == [stream.reply]


# ---- raw completion ---------------------------------------------------------------------------------------


def test_complete_gives_all_text_markers_included():
    model = scripted_model("ab<|end|>cd<|call|>é<|endoftext|>")
    reply = model.complete("Roses are red")
    assert (reply.text, reply.finish_reason) == ("ab<|end|>cd<|call|>é", "stop")
    assert (reply.tokens[-1], reply.messages, reply.effort, reply.reasoning) == (ENDOFTEXT, [], None, "")
    assert reply.prompt_tokens == TOKENIZER.encode("Roses are red")


def test_complete_ends_at_return_max_tokens_and_stop_strings():
    assert scripted_model("ab").complete("x").tokens[-1] == RETURN
    assert scripted_model("one two three").complete("x", max_tokens=2).text == "one two"
    reply = scripted_model("one two three").complete("x", stop="two")
    assert (reply.text, reply.finish_reason) == ("one ", "stop_string")


def test_complete_takes_token_ids_of_any_integer_kind():
    model = random_model()
    expected = model.complete([5, 6, 7], max_tokens=4, seed=1).tokens
    assert model.complete(np.array([5, 6, 7]), max_tokens=4, seed=1).tokens == expected
    assert model.complete((5, np.int32(6), 7), max_tokens=4, seed=1).tokens == expected


# ---- chance -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_text_and_another_seed_another():
    tokens = [random_model().complete([1, 2], max_tokens=20, seed=seed).tokens for seed in (5, 5, 6)]
    assert tokens[0] == tokens[1] != tokens[2]


def test_a_drawn_seed_is_told_and_repeats_the_text():
    model = random_model()
    drawn = model.complete([1, 2], max_tokens=20)
    assert model.complete([1, 2], max_tokens=20, seed=drawn.seed).tokens == drawn.tokens


def test_temperature_zero_takes_the_likeliest_token():
    model = random_model()
    reply = model.complete([1, 2], max_tokens=8, temperature=0)
    tokens = [1, 2]
    for token in reply.tokens:
        assert token == model.engine.core.logits_after(tokens).argmax()
        tokens.append(token)


def test_a_bias_bans_and_forces_tokens():
    model = random_model()
    assert model.complete([1], max_tokens=5, logit_bias={42: 100}).tokens == [42] * 5
    banned = dict.fromkeys(range(290), -100.0)
    assert min(model.complete([1], max_tokens=20, logit_bias=banned).tokens) >= 290


def test_logprobs_are_those_of_the_untouched_logits():
    model = random_model()
    reply = model.complete([1, 2], max_tokens=3, temperature=0.3, logprobs=4, seed=1)
    assert [t.token for t in reply.logprobs] == reply.tokens
    logits = model.engine.core.logits_after([1, 2]).astype(np.float64)
    logprobs = logits - np.log(np.exp(logits).sum())
    first = reply.logprobs[0]
    assert first.logprob == pytest.approx(logprobs[first.token], abs=1e-4)
    assert [t.token for t in first.top] == list(np.argsort(-logprobs)[:4])
    assert first.top[0].logprob == pytest.approx(logprobs.max(), abs=1e-4)
    assert first.bytes == TOKENIZER.token_bytes(first.token)


def test_events_carry_the_logprob_of_their_token():
    events = list(scripted_model(HELLO).stream("Hi", logprobs=1))
    assert all(e.logprob.token == e.token for e in events if e.kind in ("answer", "reasoning"))


# ---- prefix reuse -----------------------------------------------------------------------------------------


def test_running_again_computes_only_the_last_prompt_token():
    model = random_model()
    prompt = list(range(50))
    first = model.complete(prompt, max_tokens=10, seed=1)
    again = model.complete(prompt, max_tokens=10, seed=1)
    assert again.tokens == first.tokens
    assert (first.stats.n_cached_tokens, again.stats.n_cached_tokens) == (0, 49)


def test_a_prompt_continues_from_an_earlier_reply_and_from_any_fork():
    model = random_model()
    first = model.complete(range(50), max_tokens=10, seed=1)
    longer = [*range(50), *first.tokens, 7, 8]
    assert (
        model.complete(longer, max_tokens=5, seed=2).stats.n_cached_tokens == 59
    )  # the last one was never fed
    edited = [*range(30), 99, *range(31, 50)]
    assert model.complete(edited, max_tokens=5, seed=2).stats.n_cached_tokens == 30
    assert model.complete(longer, max_tokens=5, seed=2).stats.n_cached_tokens == 61


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 3)), max_size=8)
)
def test_reuse_never_changes_a_reply(runs):
    model = random_model(n_vocab=8)
    for prompt, seed in runs:
        fresh = random_model(n_vocab=8).complete(prompt, max_tokens=6, seed=seed)
        reused = model.complete(prompt, max_tokens=6, seed=seed)
        assert reused.tokens == fresh.tokens


def test_a_long_prompt_is_read_in_chunks_with_progress():
    model = random_model()
    n = 2 * PASS_ROWS + 10
    events = list(model.stream_complete([3] * n, max_tokens=1))
    assert model.engine.core.computed == [
        (0, PASS_ROWS),
        (PASS_ROWS, PASS_ROWS),
        (2 * PASS_ROWS, 10),
    ]
    told = [e for e in events if e.kind == "progress" and e.fraction]
    assert [e.fraction for e in told] == [PASS_ROWS / n, 2 * PASS_ROWS / n]


def test_how_long_a_long_prompt_takes_is_told_before_and_put_right_on_the_way(monkeypatch, clock):
    calls = []

    def estimate(config, n_tokens, depth, precision, isa, threads):
        calls.append((precision, isa, threads))
        return n_tokens * (0.01 if precision == "fast" else 0.02)

    monkeypatch.setattr(generation, "prefill_seconds", estimate)
    model = random_model()
    clock.passes_take(model, 0.05)  # much faster than foretold
    events = model.stream_complete([3] * (4 * PASS_ROWS), max_tokens=1)
    first = next(events)
    assert (first.kind, first.fraction, model.engine.core.computed) == ("progress", 0, [])
    assert "2,048 tokens, about 41 s (about 20 s" in first.text
    assert 'precision="fast"' in first.text
    assert [e.text for e in events if e.kind == "progress"] == [""] * 3
    assert set(calls) == {("exact", "reference", 1), ("fast", "reference", 1)}
    assert not [e for e in model.stream_complete([4] * 512, max_tokens=1) if e.kind == "progress"]


def test_a_model_that_was_measured_is_foretold_by_that(monkeypatch, clock):
    monkeypatch.setattr(generation, "prefill_seconds", lambda config, n_tokens, *_: n_tokens * 4.0)
    model = random_model(context=40_000)
    clock.passes_take(model, 0.05)
    first, *later = [e for e in model.stream_complete([3] * 2048, max_tokens=1) if e.kind == "progress"]
    assert first.text == "2,048 tokens", "two hours are not told of kernels alone"
    assert [event.text for event in later] == [""] * 3
    second = list(model.stream_complete([4] * 2048, max_tokens=1))
    assert [e.fraction for e in second if e.kind == "progress"] == [0.25, 0.5, 0.75], "too short to foretell"
    clock.passes_take(model, 0.5)
    model.complete([5] * 1024, max_tokens=1)
    told = next(model.stream_complete([6] * 30_000, max_tokens=1))
    assert told.text == "30,000 tokens, about 29 s"


def test_what_was_read_before_an_interrupt_is_kept():
    model = random_model()
    prompt = list(np.arange(2 * PASS_ROWS) % 300)
    interrupt_at(model, 1)
    with pytest.raises(Interrupted):
        model.complete(prompt)
    assert model.complete(prompt, max_tokens=1).stats.n_cached_tokens == PASS_ROWS


def test_forget_drops_what_was_kept():
    model = random_model()
    model.complete(range(50), max_tokens=1)
    model.forget()
    assert model.complete(range(50), max_tokens=1).stats.n_cached_tokens == 0


def test_two_threads_generate_at_once_as_each_would_alone():
    model = random_model()
    alone = {seed: random_model().complete([1, 2, 3], max_tokens=40, seed=seed).tokens for seed in range(4)}
    together = {}

    def run(seed):
        together[seed] = model.complete([1, 2, 3], max_tokens=40, seed=seed).tokens

    threads = [threading.Thread(target=run, args=(seed,)) for seed in alone]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(together) == 4)
    assert together == alone


def test_the_reply_so_far_costs_little_after_every_token():
    model = random_model(context=40_000)
    with model.stream_complete([i % 300 for i in range(20_000)], max_tokens=50, seed=1) as stream:
        next(stream)
        began = time.thread_time()
        replies = [stream.reply for _ in range(200)]
        seconds = time.thread_time() - began
        seen = [stream.reply for _ in stream]
    assert seconds < 0.4, "a few copies of lists each; the prompt's hash alone took longer"
    assert {reply.prompt_sha256 for reply in [*replies, *seen]} == {stream.reply.prompt_sha256}
    assert all(stream.reply.text.startswith(reply.text) for reply in seen)
    assert seen[-1].text == stream.reply.text
    replies[0].prompt_tokens.clear()
    assert len(stream.reply.prompt_tokens) == 20_000, "each reply has lists of its own"


THOUGHT = (
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi there.<|return|>"
)


def test_text_of_a_stream_is_the_answer_alone():
    stream = scripted_model(THOUGHT).stream("Hi")
    assert "".join(stream.text()) == stream.reply.text == "Hi there."
    assert stream.reply.reasoning == "Hm."
    raw = scripted_model("Once").stream_complete("Say", max_tokens=1)
    assert "".join(raw.text()) == raw.reply.text


def test_text_of_an_awaited_stream_is_the_answer_alone():
    async def collect():
        stream = scripted_model(THOUGHT).astream("Hi")
        return "".join([piece async for piece in stream.text()]), stream.reply

    text, reply = asyncio.run(collect())
    assert (text, reply.reasoning) == ("Hi there.", "Hm.")


def test_leaving_the_loop_over_the_text_ends_the_generation():
    ended = []
    for piece in scripted_model(THOUGHT).stream("Hi", on_end=ended.append).text():
        assert piece == "Hi"
        break
    gc.collect()
    (reply,) = ended
    assert (reply.text, reply.finish_reason) == ("Hi", "cancelled")


def test_a_reply_that_another_thread_reads_meanwhile_loses_no_text():
    words = " ".join(f"word{n}" for n in range(150))
    stream = scripted_model(f"<|channel|>final<|message|>{words}<|return|>").stream("Go", seed=1)
    usual = sys.getswitchinterval()

    def read():
        while stream.reply.finish_reason == "unfinished":
            assert words.startswith(stream.reply.text)

    readers = [threading.Thread(target=read) for _ in range(2)]
    sys.setswitchinterval(1e-6)  # threads take turns at once
    try:
        for thread in readers:
            thread.start()
        reply = stream.run()
        for thread in readers:
            thread.join(60)
    finally:
        sys.setswitchinterval(usual)
    assert reply.text == words
