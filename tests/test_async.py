"""`await` and `async for`: the event loop stays free, and whatever ends a generation loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import ossnb
from fakes import random_model, scripted_model, wait_until
from ossnb import loader
from ossnb.harmony.messages import as_messages
from ossnb.testing import write_random_checkpoint

TURN = "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>"
HELLO = TURN + "Hello there, friend.<|return|>"
LONG = TURN + "again and " * 300
PATIENCE_S = 120


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """The real engine: it writes noise for as long as it may, and reads long prompts for seconds."""
    folder = tmp_path_factory.mktemp("model") / "wide"
    return ossnb.load(write_random_checkpoint(folder, shape={"vocab_size": 201088}, layers=2, seed=1))


def run(coroutine):
    """Run to the end; a loop that hangs fails the test instead of hanging it."""

    async def limited():
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(limited())


def hold_at(model, n_calls):
    """Let the n-th forward call from now wait until `go` is set; `reached` tells that it is there."""
    reached, go = threading.Event(), threading.Event()
    n_calls += len(model.engine.core.computed)

    def before_forward(n):
        if n == n_calls:
            reached.set()
            assert go.wait(PATIENCE_S)

    model.engine.core.before_forward = before_forward
    return reached, go


async def until(event):
    while not event.is_set():
        await asyncio.sleep(0.005)


# ---- the same answers -------------------------------------------------------------------------------------


def test_an_awaited_reply_is_the_one_that_generate_gives(noise):
    settings = {"seed": 5, "max_tokens": 20, "effort": "low"}
    awaited = run(noise.agenerate("Hi", **settings))
    assert awaited.tokens == noise.generate("Hi", **settings).tokens
    assert (awaited.text, awaited.effort, awaited.seed) == (noise.generate("Hi", **settings).text, "low", 5)


def test_async_for_gives_the_events_of_a_stream():
    async def collect():
        return [event async for event in scripted_model(HELLO).astream("Hi", logprobs=1)]

    events, expected = run(collect()), list(scripted_model(HELLO).stream("Hi", logprobs=1))
    assert [(e.kind, e.text, e.token) for e in events] == [(e.kind, e.text, e.token) for e in expected]
    assert events[-1].reply.text == "Hello there, friend."


def test_module_functions_load_the_default_model_once_and_not_in_the_loops_thread(monkeypatch):
    loaded = []

    def load():
        loaded.append(threading.current_thread())
        return scripted_model(HELLO)

    async def ask():
        replies = await asyncio.gather(ossnb.agenerate("Hi"), ossnb.agenerate("Hi", effort="low"))
        texts = [e.text async for e in ossnb.astream("Hi") if e.kind == "answer"]
        return [reply.text for reply in replies], "".join(texts)

    monkeypatch.setattr(loader, "load", load)
    ossnb.set_default_model(None)
    try:
        assert run(ask()) == (["Hello there, friend."] * 2, "Hello there, friend.")
    finally:
        ossnb.set_default_model(None)
    assert len(loaded) == 1
    assert loaded[0] is not threading.main_thread()


def test_a_chat_can_be_awaited_and_remembers():
    model = scripted_model(HELLO)
    chat = model.chat()

    async def talk():
        first = await chat.asay("Hi")
        texts = [event.text async for event in chat.astream("And?") if event.kind == "answer"]
        stream = chat.astream("More?")
        async for event in stream:
            if event.kind == "answer":
                break
        await stream.aclose()
        return first.text, "".join(texts)

    assert run(talk()) == ("Hello there, friend.",) * 2
    assert [as_messages([m])[0].content for m in chat.messages if as_messages([m])[0].role == "user"] == [
        "Hi",
        "And?",
        "More?",
    ]
    assert chat.messages[-1].content == "Hello"


# ---- the loop goes on -------------------------------------------------------------------------------------


def test_the_loop_is_free_while_the_engine_computes():
    """The engine waits for the loop here: a loop that waited for the engine would never end."""
    model = scripted_model(HELLO)

    async def ask(read):
        reached, go = hold_at(model, 3)
        task = asyncio.create_task(read())
        await until(reached)
        go.set()
        return await task

    async def stream():
        return [event async for event in model.astream("Hi")][-1].reply

    assert run(ask(lambda: model.agenerate("Hi"))).text == "Hello there, friend."
    assert run(ask(stream)).text == "Hello there, friend."


def test_sixteen_awaited_answers_share_passes_and_more_wait_for_a_place():
    model, begun = random_model(), set()
    reached, go = hold_at(model, 0)

    def start(seed):
        begun.add(seed)
        return model.stream_complete([1, 2, seed], max_tokens=20, seed=seed)

    async def ask_all():
        streams = [ossnb.AsyncStream(lambda seed=seed: start(seed)) for seed in range(20)]
        tasks = [asyncio.create_task(stream.run()) for stream in streams]
        await until(reached)
        while len(begun) < 20 or len(model.engine.turns.waiting()) < 16:
            await asyncio.sleep(0.005)
        go.set()
        return [(await task).tokens for task in tasks]

    together = run(ask_all())
    assert 15 <= max(model.engine.core.passes) <= 16, "all that waited while one began"
    assert together == [model.complete([1, 2, s], max_tokens=20, seed=s).tokens for s in range(20)]


def threads_of_streams():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ossnb, awaited")]


def test_all_events_of_a_stream_come_from_one_thread_that_ends_with_it():
    model, threads = scripted_model(HELLO), []
    model.engine.core.before_forward = lambda n: threads.append(threading.current_thread())

    async def main(leaves):
        stream = model.astream("Hi")
        n_events = 0
        async for _ in stream:
            n_events += 1
            if leaves and n_events == 3:
                break
        if leaves:
            assert len(threads_of_streams()) == 1
            del stream
        return n_events

    for leaves in (False, True):
        threads.clear()
        assert run(main(leaves)) >= 3
        assert len(threads) > 2
        assert len(set(threads)) == 1
        wait_until(lambda: not threads_of_streams())


@pytest.mark.parametrize("ending", ["closed", "cancelled", "error"])
def test_the_thread_of_a_stream_ends_however_that_ends(ending):
    model = scripted_model(HELLO)

    def fail(n):
        if n > 3:
            raise MemoryError

    async def main():
        stream = model.astream("Hi")
        await anext(stream)
        if ending == "closed":
            await stream.aclose()
        elif ending == "cancelled":
            stream.cancel()
            async for _ in stream:
                pass
        else:
            model.engine.core.before_forward = fail
            with pytest.raises(MemoryError):
                await stream.run()
        for _ in range(500):
            if not threads_of_streams():
                return stream
            await asyncio.sleep(0.01)
        raise AssertionError("the thread goes on")

    assert run(main()).reply.finish_reason == ("error" if ending == "error" else "cancelled")


def test_an_answer_may_be_awaited_in_the_midst_of_another():
    model = scripted_model(HELLO)

    async def ask():
        inner = [(await model.agenerate("And?")).text async for e in model.astream("Hi") if e.kind == "done"]
        return inner, [await anext(model.astream("Hi")) for _ in range(2)]

    texts, firsts = run(ask())
    assert texts == ["Hello there, friend."]
    assert [event.kind for event in firsts] == ["reasoning"] * 2


# ---- what ends it -----------------------------------------------------------------------------------------


def test_leaving_the_loop_ends_the_generation_and_frees_the_model():
    model, ended = scripted_model(LONG), []

    async def ask():
        async for event in model.astream("Hi", on_end=ended.append):
            if event.kind == "answer":
                break
        while not ended:  # the thread may still be on its way out
            await asyncio.sleep(0.005)
        return len(model.engine.core.computed)

    n_calls = run(ask())
    assert [(reply.finish_reason, reply.text) for reply in ended] == [("cancelled", "again")]
    assert len(model.engine.core.computed) == n_calls
    assert model.generate("Hi", max_tokens=3).finish_reason == "length"


def test_nothing_runs_between_two_events_and_aclose_ends_it():
    model = scripted_model(LONG)

    async def ask():
        stream = model.astream("Hi")
        await anext(stream)
        n_calls = len(model.engine.core.computed)
        await asyncio.sleep(0.1)
        assert len(model.engine.core.computed) == n_calls
        assert stream.reply.finish_reason == "unfinished"
        await stream.aclose()
        await stream.aclose()
        assert [event async for event in stream] == []
        return stream.reply

    reply = run(ask())
    assert (reply.finish_reason, reply.reasoning) == ("cancelled", "Let")


def test_async_with_closes_and_cancel_ends_with_done():
    async def ask():
        async with scripted_model(LONG).astream("Hi") as stream:
            events = []
            async for event in stream:
                events.append(event)
                if event.kind == "answer":
                    stream.cancel()
            assert events[-1].kind == "done"
        async with scripted_model(LONG).astream("Hi") as left:
            await anext(left)
        return stream.reply, left.reply

    assert [reply.finish_reason for reply in run(ask())] == ["cancelled", "cancelled"]


def test_a_stream_that_never_began_loads_nothing():
    async def ask():
        stream = ossnb.AsyncStream(lambda: pytest.fail("was started"))
        assert stream.reply.finish_reason == "unfinished"
        await stream.aclose()
        assert [event async for event in stream] == []
        assert (await stream.run()).finish_reason == "cancelled"
        return stream.reply

    assert run(ask()).finish_reason == "cancelled"


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_cancelling_a_task_ends_the_engines_call_and_keeps_the_reply(noise, phase):
    async def ask():
        prompt = f"{phase} " * 50_000 if phase == "prefill" else "Hi"
        stream = noise.astream(prompt, seed=1)
        task = asyncio.create_task(stream.run())
        while stream.reply.stats.prefill_s == 0 or (phase == "decode" and len(stream.reply.tokens) < 5):
            await asyncio.sleep(0.01)
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return stream.reply, caught.value

    reply, error = run(ask())
    assert reply.finish_reason == "cancelled"
    assert (len(reply.tokens) >= 5) == (phase == "decode")
    assert error.reply is reply
    assert noise.generate("Hi", max_tokens=2).finish_reason == "length"


def test_a_timeout_keeps_the_partial_text_on_the_stream_and_on_the_error():
    model = scripted_model(LONG)
    model.generate("Hi", max_tokens=20)  # the vocabulary is loaded now

    async def ask(limit):
        reached, go = hold_at(model, 12)
        loop = asyncio.get_running_loop()
        clock = loop.time
        loop.time = lambda: clock() + (60 if reached.is_set() else 0)  # the limit passes there
        stream = model.astream("Hi", drafts=False)
        cancel = stream.cancel
        stream.cancel = lambda: (cancel(), go.set())  # as the engine's call ends when it is cancelled
        with pytest.raises(TimeoutError) as caught:
            await limit(stream.run(), 60)
        assert reached.is_set()
        return stream.reply, caught.value

    async def with_timeout(awaited, seconds):
        async with asyncio.timeout(seconds):
            await awaited

    for limit in (asyncio.wait_for, with_timeout):
        reply, error = run(ask(limit))
        assert reply.finish_reason == "cancelled"
        assert "again and".startswith(reply.text)
        assert len(reply.tokens) == 12
        assert error.__cause__.reply is reply


def test_a_task_that_waits_behind_another_can_be_cancelled():
    model = scripted_model(HELLO)

    async def ask():
        reached, go = hold_at(model, 2)
        first = asyncio.create_task(model.agenerate("Hi"))
        await until(reached)
        second = asyncio.create_task(model.agenerate("And?"))
        await asyncio.sleep(0.1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await second
        go.set()
        return (await first).text, caught.value.reply

    text, reply = run(ask())
    assert text == "Hello there, friend."
    assert (reply.finish_reason, reply.tokens) == ("cancelled", [])


def test_a_cancelled_task_waits_for_an_engine_that_is_slow_to_stop():
    """On a busy machine, the thread of the engine may stand still for seconds."""
    model = scripted_model(LONG)

    async def ask():
        reached, go = hold_at(model, 3)
        stream = model.astream("Hi", drafts=False)
        task = asyncio.create_task(stream.run())
        await until(reached)
        task.cancel()
        threading.Timer(1.5, go.set).start()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return stream.reply, caught.value.reply

    reply, told = run(ask())
    assert (told.finish_reason, len(told.tokens)) == ("cancelled", 3)
    assert told is reply


def test_cancelling_while_a_model_loads_does_not_wait_for_it():
    loading, go, seen = threading.Event(), threading.Event(), []

    def start():
        loading.set()
        assert go.wait(PATIENCE_S)
        loaded = scripted_model(HELLO).stream("Hi")
        close = loaded.close
        loaded.close = lambda: (seen.append(stream.reply.finish_reason), close())
        return loaded

    async def ask():
        task = asyncio.create_task(stream.run())
        await until(loading)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = asyncio.create_task(stream.run())  # no task waits for the stream, but its thread still loads
        await asyncio.sleep(0)
        go.set()
        return await again

    stream = ossnb.AsyncStream(start)
    reply = run(ask())  # the load ends, and what it was for does not begin
    assert (reply.finish_reason, reply.tokens) == ("cancelled", [])
    assert reply.prompt_tokens != []
    assert set(seen) == {"cancelled"}, "a stream that was cancelled is never seen unfinished"


# ---- what goes wrong --------------------------------------------------------------------------------------


def test_errors_come_to_the_task_that_waits():
    model = scripted_model(HELLO)

    async def first(stream):
        return await anext(stream)

    with pytest.raises(ValueError, match="temperature must be >= 0, got -1"):
        run(model.agenerate("Hi", temperature=-1))
    with pytest.raises(TypeError, match="unknown setting 'max_token'"):
        run(first(model.astream("Hi", max_token=1)))

    def before_forward(n):
        raise MemoryError("no room for a KV block")

    model.engine.core.before_forward = before_forward
    stream = model.astream("Hi")
    with pytest.raises(MemoryError, match="KV block"):
        run(stream.run())
    assert stream.reply.finish_reason == "error"


def test_a_stream_is_for_one_task():
    model = scripted_model(HELLO)

    async def ask():
        reached, go = hold_at(model, 1)
        stream = model.astream("Hi")
        task = asyncio.create_task(stream.run())
        await until(reached)
        with pytest.raises(RuntimeError, match="another task is waiting for this stream already"):
            await anext(stream)
        go.set()
        return (await task).text

    assert run(ask()) == "Hello there, friend."


SCRIPT = """
import asyncio, os, signal, sys, threading
import ossnb

async def main():
    stream = ossnb.load(sys.argv[1]).astream("Hi", seed=1)
    is_sent = False
    try:
        async for event in stream:
            if len(stream.reply.tokens) >= 8 and not is_sent:
                is_sent = True
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        print(stream.reply.finish_reason, 8 <= len(stream.reply.tokens) < 500, flush=True)

if sys.argv[2] == "interrupt":
    asyncio.run(main())
else:  # leave while a task is under way
    loop = asyncio.new_event_loop()
    task = loop.create_task(ossnb.load(sys.argv[1]).agenerate("Hi", seed=1))
    loop.run_until_complete(asyncio.sleep(1))
    assert not task.done()
"""


@pytest.mark.parametrize("ending", ["interrupt", "leave"])
def test_scripts_end_cleanly_in_the_midst_of_an_answer(noise, ending, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, str(script), noise.source, ending],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path])),
    )
    if ending == "interrupt":
        assert ran.stdout == "cancelled True\n"
        assert ran.stderr.rstrip().endswith("KeyboardInterrupt")
        assert ran.returncode == -signal.SIGINT
    else:
        assert (ran.returncode, ran.stdout) == (0, "")
        assert "terminate" not in ran.stderr
