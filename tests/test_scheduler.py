"""Several generations at once: they share passes, and each is what it would be alone."""

import contextlib
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import ossnb
from fakes import Core, model_of, random_model, wait_until
from ossnb.testing import write_random_checkpoint

PROMPTS = [[1, 2, 3], [1, 2, 9, 9], [7] * 40, list(range(90)), [250], [1, 2, 3, 4]]


def alone(prompt, seed=0, max_tokens=30):
    return random_model().complete(prompt, seed=seed, max_tokens=max_tokens).tokens


def at_once(tasks, seconds=300):  # a sanitizer makes it slow
    """Run functions in threads; what they return, in order. What one raises is raised here."""
    results, errors, start = [None] * len(tasks), [], threading.Barrier(len(tasks))

    def run(i, task):
        try:
            start.wait(seconds)
            results[i] = task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a generation hangs"
    if errors:
        raise errors[0]
    return results


def slow(model, seconds=0.003):
    model.engine.core.before_forward = lambda n: time.sleep(seconds)
    return model


def test_generations_of_several_threads_share_passes_and_are_those_of_each_alone():
    model = slow(random_model())

    replies = at_once(
        [lambda p=p, i=i: model.complete(p, seed=i, max_tokens=30) for i, p in enumerate(PROMPTS)]
    )

    assert [reply.tokens for reply in replies] == [alone(p, i) for i, p in enumerate(PROMPTS)]
    assert max(model.engine.core.passes) >= 4, "they wait for each other, and then go together"
    assert len(model.engine.core.passes) < 0.6 * sum(model.engine.core.passes)


def test_the_engine_gives_each_what_it_gives_it_alone(tmp_path):
    shape = {"num_hidden_layers": 2, "vocab_size": 300, "sliding_window": 16, "num_local_experts": 8}
    folder = write_random_checkpoint(tmp_path / "model", shape, seed=1)
    settings = [{"temperature": 0}, {"top_p": 0.8}, {"seed": 5}, {"logprobs": 3, "repetition_penalty": 1.2}]
    settings = [{"seed": 3, "max_tokens": 40, **more} for more in settings]
    with ossnb.load(folder) as model:
        expected = [model.complete(p, **s) for p, s in zip(PROMPTS, settings, strict=False)]
    with ossnb.load(folder) as model:
        replies = at_once(
            [lambda p=p, s=s: model.complete(p, **s) for p, s in zip(PROMPTS, settings, strict=False)]
        )
        assert [r.tokens for r in replies] == [r.tokens for r in expected]
        assert [r.logprobs for r in replies] == [r.logprobs for r in expected]
        model.forget()
        assert (model.n_kept_bytes, model.engine.core.kv.used_bytes) == (0, 0)


def test_a_reader_that_stops_stops_only_itself():
    model = slow(random_model())
    stopped = model.stream_complete(PROMPTS[0], seed=0, max_tokens=30)
    first = [next(stopped) for _ in range(3)]

    replies = at_once([lambda i=i: model.complete(PROMPTS[i], seed=i, max_tokens=30) for i in (1, 2)])

    assert [reply.tokens for reply in replies] == [alone(PROMPTS[i], i) for i in (1, 2)]
    assert stopped.reply.tokens == alone(PROMPTS[0])[: len(stopped.reply.tokens)]
    assert len(first) == 3
    assert len(stopped.reply.tokens) <= 4
    assert stopped.run().tokens == alone(PROMPTS[0])


@pytest.mark.parametrize("n_passes", [1, 5, 12])
def test_one_that_is_cancelled_ends_and_the_others_go_on(n_passes):
    model = slow(random_model())
    streams = [model.stream_complete(p, seed=i, max_tokens=30) for i, p in enumerate(PROMPTS)]
    seen = threading.Event()

    def before(n):
        time.sleep(0.003)
        if len(model.engine.core.passes) == n_passes and not seen.is_set():
            streams[2].cancel()
            seen.set()

    model.engine.core.before_forward = before
    replies = at_once([stream.run for stream in streams])

    assert replies[2].finish_reason == "cancelled"
    assert replies[2].tokens == alone(PROMPTS[2], 2)[: len(replies[2].tokens)]
    for i in (0, 1, 3, 4, 5):
        assert replies[i].tokens == alone(PROMPTS[i], i)
    assert model.complete(PROMPTS[2], seed=2, max_tokens=30).tokens == alone(PROMPTS[2], 2)


@pytest.mark.parametrize("n_passes", [0, 3, 9])
def test_an_interrupt_ends_who_drives_and_the_others_go_on(n_passes):
    model = slow(random_model())
    main, hit = threading.get_ident(), []

    def before(n):
        time.sleep(0.003)
        if threading.get_ident() == main and len(model.engine.core.passes) >= n_passes and not hit:
            hit.append(n)
            raise KeyboardInterrupt

    model.engine.core.before_forward = before
    others = [None] * 3
    threads = [
        threading.Thread(
            target=lambda i=i: others.__setitem__(i, model.complete(PROMPTS[i], seed=i, max_tokens=30))
        )
        for i in range(3)
    ]
    for thread in threads:
        thread.start()
    with pytest.raises(ossnb.Interrupted) as stopped:
        model.complete(PROMPTS[4], seed=4, max_tokens=1000)
    for thread in threads:
        thread.join(30)

    assert [reply.tokens for reply in others] == [alone(PROMPTS[i], i) for i in range(3)]
    written = stopped.value.reply.tokens
    assert written == alone(PROMPTS[4], 4, 1000)[: len(written)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError, MemoryError])
def test_an_error_after_the_pass_loses_results_and_no_tokens(error):
    """The sequences have grown then, and nobody has heard of it."""
    model = slow(random_model())
    hit, found = [], {}

    def after():
        if model.engine.core.passes[-1] > 1 and not hit:
            hit.append(threading.get_ident())
            raise error

    def answer(i):
        try:
            found[i] = model.complete(PROMPTS[i], seed=i, max_tokens=60).tokens
        except (ossnb.Interrupted, TimeoutError):
            found[i] = "stopped"

    model.engine.core.after_forward = after
    at_once([lambda i=i: answer(i) for i in range(4)])

    assert hit
    written = {i: tokens for i, tokens in found.items() if tokens != "stopped"}
    assert len(written) == (4 if error is MemoryError else 3), "a signal's error reaches whom it struck"
    assert all(tokens == alone(PROMPTS[i], i, 60) for i, tokens in written.items())
    for i, tokens in written.items():  # what was kept belongs to its tokens
        prompt = [*PROMPTS[i], *tokens]
        assert model.complete(prompt, seed=9, max_tokens=5).tokens == alone(prompt, 9, 5)


def test_an_error_goes_to_whom_it_belongs():
    """A pass of several that fails is made again with its driver alone."""

    def logits_after(tokens):
        if tokens[0] == 7 and len(tokens) > 45:
            raise MemoryError("no room for this one")
        key = sum(tokens) * 31 + len(tokens)
        return np.random.default_rng(key).normal(0, 2, 300).astype(np.float32)

    def new_model():
        return slow(model_of(Core(logits_after, 300)))

    model, outcomes = new_model(), []

    def run(i):
        try:
            return model.complete(PROMPTS[i], seed=i, max_tokens=20).tokens
        except MemoryError as error:
            outcomes.append((i, str(error)))
            return None

    got = at_once([lambda i=i: run(i) for i in range(4)])

    assert outcomes == [(2, "no room for this one")]
    assert [tokens for tokens in got if tokens] == [
        new_model().complete(PROMPTS[i], seed=i, max_tokens=20).tokens for i in (0, 1, 3)
    ]


def test_who_leaves_while_another_drives_leaves_at_once_and_loses_nothing():
    model = random_model()
    core, go_on, is_in = model.engine.core, threading.Event(), threading.Event()
    streams = [model.stream_complete(PROMPTS[i], seed=i, max_tokens=30) for i in (0, 1)]

    def before(n):
        time.sleep(0.003)
        if len(core.passes) > 6 and core.passes[-1] == 2:
            is_in.set()
            go_on.wait(30)

    core.before_forward = before
    ended, replies = [], [None, None]

    def run(i):
        replies[i] = streams[i].run()
        ended.append(i)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in (0, 1)]
    for thread in threads:
        thread.start()
    assert is_in.wait(30)
    for stream in streams:
        stream.cancel()
    wait_until(lambda: len(ended) == 1)  # whoever does not drive
    go_on.set()
    for thread in threads:
        thread.join(30)

    for i in (0, 1):
        assert replies[i].tokens == alone(PROMPTS[i], i)[: len(replies[i].tokens)]
        again = model.complete([*PROMPTS[i], *replies[i].tokens], seed=i, max_tokens=1)
        assert again.stats.n_cached_tokens >= len(PROMPTS[i])


def test_answers_go_on_beside_a_long_prompt():
    model = slow(random_model(context=8192))
    n_prompt, marks = 3000, []

    def writer():
        for event in model.stream_complete(PROMPTS[0], seed=0, max_tokens=300):
            marks.append(("answer", event.token))

    def reader():
        wait_until(lambda: len(marks) > 2)
        for event in model.stream_complete([5] * n_prompt, max_tokens=1):
            marks.append((event.kind, event.fraction))

    at_once([writer, reader])

    progress = [i for i, (kind, _) in enumerate(marks) if kind == "progress"]
    written = [i for i, (kind, token) in enumerate(marks) if kind == "answer" and token is not None]
    assert len(progress) >= 5
    assert sum(progress[0] < i < progress[-1] for i in written) >= 5


@pytest.fixture
def clock(monkeypatch):
    """The scheduler's time, which only passes move: what they owe each other depends on no machine."""
    clock = SimpleNamespace(now=0.0)
    told = SimpleNamespace(perf_counter=lambda: clock.now, sleep=time.sleep)
    monkeypatch.setattr("ossnb.engine.scheduler.time", told)
    return clock


def beside_an_answer(model, clock, work):
    """Do `work` while an answer is written; return its result, and the rows of each pass. A pass of 64 rows
    takes as long as 21 of one row. So after each, answers go some 19 times alone."""
    core, step = model.engine.core, model.engine.core.step

    def timed(feeds, choosers, cancel=None):
        clock.now += 0.001 + 0.0005 * sum(len(ids) for _, ids, _ in feeds)
        return step(feeds, choosers, cancel)

    core.step = timed
    n_written, found = [], []

    def writer():
        for event in model.stream_complete(PROMPTS[0], seed=0, max_tokens=2000, end_loops=False):
            n_written.append(event.token)
            if found:
                return

    at_once([writer, lambda: wait_until(lambda: len(n_written) > 30) or found.append(work())])
    return found[0], [n for _, n in core.computed]


def chunks_of(rows):
    """The passes that read, and how many of one row there are between two of them."""
    chunks = [at for at, n in enumerate(rows) if n > 20]
    return len(chunks), rows[chunks[0] : chunks[-1]].count(1) / (len(chunks) - 1)


def test_answers_keep_half_their_speed_beside_a_long_prompt(clock):
    model, prompt = random_model(context=8192), [5] * 640

    def read(model):
        return model.complete(prompt, max_tokens=1, temperature=0).tokens

    found, rows = beside_an_answer(model, clock, lambda: read(model))
    n_chunks, between = chunks_of(rows)
    assert 8 <= n_chunks <= 12
    assert 8 < between < 40
    assert found == read(random_model(context=8192))


def test_answers_keep_half_their_speed_beside_texts_that_are_scored(clock):
    """Each token of such a text has a choice of its own, as an answer has, but they are many."""
    model, text = random_model(context=8192), [n % 300 for n in range(7, 7 + 5 * 641, 5)]
    found, rows = beside_an_answer(model, clock, lambda: model.perplexity(text))
    n_chunks, between = chunks_of(rows)
    assert n_chunks == 10
    assert 8 < between < 40
    assert found == random_model(context=8192).perplexity(text)


def test_answers_keep_half_their_speed_beside_a_text_that_is_read_for_its_logits():
    model = random_model(context=8192)
    core, compute = model.engine.core, model.engine.core.logits

    def timed(feeds, *rest):
        time.sleep(0.001 + 0.0001 * sum(len(ids) for _, ids, _ in feeds))
        return compute(feeds, *rest)

    core.logits = timed
    n_written, found = [], []

    def writer():
        for event in model.stream_complete(PROMPTS[0], seed=0, max_tokens=4000, end_loops=False):
            n_written.append(event.token)
            if found:
                return

    text = [5, 6] * 1280
    at_once([writer, lambda: wait_until(lambda: len(n_written) > 30) or found.append(model.logits(text))])

    rows = [n for _, n in core.computed]
    chunks = [at for at, n in enumerate(rows) if n == 512]
    between = rows[chunks[0] : chunks[-1]].count(1) / (len(chunks) - 1)
    assert len(chunks) == 5
    assert 8 < between < 200
    assert (found[0] == random_model(context=8192).logits(text)).all()


def test_texts_that_are_scored_fill_no_pass_beyond_its_rows():
    model = slow(random_model())
    core, step, passes = model.engine.core, model.engine.core.step, []

    def counted(feeds, choosers, cancel=None):
        passes.append((sum(len(ids) for _, ids, _ in feeds), len(choosers)))
        return step(feeds, choosers, cancel)

    core.step = counted
    texts = [[(n * 31 + i * 7) % 300 for i in range(150)] for n in range(16)]

    found = at_once([lambda text=text: model.perplexity(text) for text in texts])

    assert max(rows for rows, _ in passes) <= 512
    assert max(chosen for _, chosen in passes) == 128, "they share passes"
    assert found == [random_model().perplexity(text) for text in texts]


# ---- prompts that begin alike ------------------------------------------------------------------------------

DOCUMENTS = [[(n * 37 + i * i) % 300 for i in range(700)] for n in range(3)]
ASKED = [[*document, *[7 * q % 300] * 3, q] for document in DOCUMENTS for q in range(6)]


def n_read(model):
    """How many rows of prompts were computed."""
    return sum(n for _, n in model.engine.core.computed if n > 1)


def test_what_prompts_have_in_common_is_read_once():
    model = slow(random_model(), 0.02)

    replies = at_once([lambda p=p, i=i: model.complete(p, seed=i, max_tokens=4) for i, p in enumerate(ASKED)])

    assert [reply.tokens for reply in replies] == [alone(p, i, 4) for i, p in enumerate(ASKED)]
    assert n_read(model) <= 2 * sum(map(len, DOCUMENTS))
    n_new = sum(reply.stats.n_prompt_tokens - reply.stats.n_cached_tokens for reply in replies)
    assert n_new <= 2 * sum(map(len, DOCUMENTS)), "and the replies say so"
    model.forget()
    assert model.engine.core.kv.n_blocks == 0


def test_what_one_reads_is_there_for_others_before_it_ends():
    model = random_model()
    writing = model.stream_complete(ASKED[0], seed=0, max_tokens=30)
    while not writing.reply.tokens:
        next(writing)
    assert model.complete(ASKED[1], seed=1, max_tokens=4).tokens == alone(ASKED[1], 1, 4)
    assert n_read(model) <= 700 + 2 * 5
    assert writing.run().tokens == alone(ASKED[0])


@pytest.mark.parametrize("how", ["stops", "is cancelled", "leaves"])
def test_nobody_waits_for_a_prompt_that_is_read_no_further(how):
    model = slow(random_model(), 0.02)
    first, begun, go = model.stream_complete(ASKED[0], max_tokens=4), threading.Event(), threading.Event()

    def read_a_part():
        for event in first:
            if event.kind == "progress" and event.fraction:
                break
        begun.set()
        if how == "is cancelled":
            first.cancel()
            first.run()
        elif how == "leaves":
            first.close()
        assert go.wait(60)

    def follow(i):
        begun.wait(60)
        tokens = model.complete(ASKED[i], seed=i, max_tokens=4).tokens
        go.set()
        return tokens

    _, *found = at_once([read_a_part, *(lambda i=i: follow(i) for i in (1, 2))])
    assert found == [alone(ASKED[i], i, 4) for i in (1, 2)]
    assert n_read(model) <= 2 * 700 + 3 * 5


@pytest.mark.parametrize("n_pass", [0, 1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_while_one_reads_for_others_is_only_its_own(error, n_pass):
    model, hit, found = slow(random_model(), 0.02), [], {}

    def after():
        if len(model.engine.core.passes) == n_pass + 1 and not hit:
            hit.append(threading.get_ident())
            raise error

    def answer(i):
        with contextlib.suppress(ossnb.Interrupted, MemoryError):
            found[i] = model.complete(ASKED[i], seed=i, max_tokens=4).tokens

    model.engine.core.after_forward = after
    at_once([lambda i=i: answer(i) for i in range(5)])

    assert hit
    assert len(found) >= 4
    assert all(tokens == alone(ASKED[i], i, 4) for i, tokens in found.items())


def test_a_reading_takes_its_turn_between_passes():
    model = slow(random_model())

    replies = at_once(
        [
            lambda: model.complete(PROMPTS[0], seed=0, max_tokens=30).tokens,
            lambda: model.complete(PROMPTS[1], seed=1, max_tokens=30).tokens,
            lambda: model.logits(PROMPTS[3]).shape,
        ]
    )

    assert replies == [alone(PROMPTS[0], 0), alone(PROMPTS[1], 1), (90, 300)]
