"""Many questions to one model: each answer is the one that a single call gives."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import ossnb
from children import in_child
from fakes import Core, model_of, random_model, scripted_model, wait_until
from ossnb.forms.form import Form
from ossnb.harmony.prompt import only_question
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.many.together import as_done
from ossnb.system import progress
from ossnb.testing import write_random_checkpoint

SHORT = {"max_tokens": 12, "effort": "low"}
SUMS = [{"a": a, "b": b} for a in (3, 17, 25) for b in (4, 9)]
TEMPLATE = "What is {a} + {b}?"


@pytest.fixture(scope="module")
def demo():
    model = ossnb.load("demo")
    model.patience_s = None
    return model


def alone(model, answer):
    """The reply that a single call with a row's seed gives, with nothing kept from before."""
    model.forget()
    reply = answer.reply
    return model.generate(TEMPLATE.format(**answer.row), effort=reply.effort, **reply.sampling.to_dict())


# ---- samples -----------------------------------------------------------------------------------------------


def test_samples_are_the_single_runs_with_their_seeds(demo):
    replies = demo.samples("Tell me a joke", 4, seed=7, max_tokens=40)
    assert [reply.seed for reply in replies] == [7, 8, 9, 10]
    for reply in replies:
        demo.forget()
        assert demo.generate("Tell me a joke", seed=reply.seed, max_tokens=40).tokens == reply.tokens


def test_samples_share_the_reading_of_their_prompt():
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")
    all_asked = lambda: len(model.engine.turns.waiting()) == 5  # noqa: E731
    model.engine.core.before_forward = lambda n: n or wait_until(all_asked)
    replies = model.samples("A question with some words", 5, seed=1)
    n_prompt = replies[0].stats.n_prompt_tokens
    assert sorted(reply.stats.n_cached_tokens for reply in replies) == [0, *[n_prompt - 1] * 4]
    assert sum(n for at, n in model.engine.core.computed if at < n_prompt) == n_prompt + 4


def test_samples_without_a_seed_draw_one_and_say_it(demo):
    first, second = demo.samples("Tell me a joke", 2, **SHORT)
    assert (second.seed - first.seed) % 2**64 == 1


@pytest.mark.parametrize("n", [0, -1, 257, 1.5, True, "two"])
def test_a_number_of_samples_out_of_range_is_told(demo, n):
    with pytest.raises(ValueError, match=r"n must be"):
        demo.samples("Hi", n)


def test_n_at_generate_names_samples(demo):
    with pytest.raises(TypeError, match=r"model\.samples\(prompt, 3\)"):
        demo.generate("Hi", n=3)


def test_an_interrupt_of_samples_keeps_all_their_texts():
    model = scripted_model("<|channel|>final<|message|>" + "word " * 400)
    model.engine.core.before_forward = lambda n: time.sleep(0.002)
    threading.Timer(0.6, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(ossnb.Interrupted) as stopped:
        model.samples("Hi", 3, seed=1)
    assert len(stopped.value.replies) == 3
    assert all(reply.text.startswith("word word") for reply in stopped.value.replies)
    assert stopped.value.reply is stopped.value.replies[0]
    assert model.generate("Hi", max_tokens=6).tokens  # the model goes on


# ---- rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 3, 16])
def test_each_row_has_the_answer_of_a_single_call(demo, in_flight):
    answers = demo.map(SUMS, TEMPLATE, seed=5, in_flight=in_flight, progress=False, **SHORT)
    found = list(answers)
    assert [answer.row for answer in found] == SUMS
    assert len({answer.reply.seed for answer in found}) == len(SUMS)
    for answer in found[:: 1 if in_flight == 3 else 3]:
        assert alone(demo, answer).tokens == answer.reply.tokens


def random_harmony_model():
    """A fast engine whose answers depend on every token before, in harmony's vocabulary."""
    of_few = random_model(200).engine.core.logits_after

    def logits_after(tokens):
        row = np.full(201088, -100, np.float32)
        row[1000:1200] = of_few([token % 200 for token in tokens])
        return row

    return model_of(Core(logits_after, 201088))


@pytest.mark.parametrize("in_flight", [1, 7, 16, 64])
def test_any_number_in_flight_gives_the_same_tokens(in_flight):
    model = random_harmony_model()
    answers = model.map(range(70), "{}", seed=3, max_tokens=4, in_flight=in_flight, progress=False)
    for answer in answers:
        single = random_harmony_model() if answer.number % 10 == 0 else model
        again = single.generate(str(answer.row), seed=answer.reply.seed, max_tokens=4)
        assert again.tokens == answer.reply.tokens
    assert max(model.engine.core.passes) > (1 if in_flight > 1 else 0)


def tokens_by_row(model, rows):
    answers = model.map(rows, "{}", seed=3, max_tokens=4, progress=False)
    return {answer.row: answer.reply.tokens for answer in answers}


def test_other_rows_do_not_change_a_rows_answer():
    model = random_harmony_model()
    assert tokens_by_row(model, ["x", "y"]).items() <= tokens_by_row(model, ["z", "y", "x", "w"]).items()


@pytest.mark.parametrize("in_flight", [1, 4, 16])
def test_what_rows_have_in_common_is_read_once(in_flight):
    """Rows that begin as others in flight do, and not as the first one does."""
    documents = [f"{name} " * 300 for name in ("apples", "bears", "cars")]
    rows = [{"doc": doc, "q": f"Question {q}?"} for q in range(6) for doc in documents]
    model = scripted_model("<|channel|>final<|message|>Yes.<|return|>")
    answers = model.map(rows, "{doc}\n{q}", seed=1, in_flight=in_flight, progress=False).run()
    n_prompt = answers[0].reply.stats.n_prompt_tokens
    assert sum(n for _, n in model.engine.core.computed if n > 1) <= 2 * 3 * n_prompt


class Told:
    """A line of progress that keeps what it shows."""

    def __init__(self, text, total, figures):
        self.text, self.figures, self.shown = text, figures, [figures(0)]
        Told.line = self

    def update(self, done):
        self.shown.append(self.figures(done))

    def close(self):
        self.shown.append("closed")


@pytest.fixture
def told(monkeypatch):
    """Lines of progress that show themselves at once."""
    monkeypatch.setattr("ossnb.many.progress.MOMENT_S", -1.0)
    monkeypatch.setattr(Told, "line", None, raising=False)
    progress.set_progress_factory(Told)
    yield Told
    progress.set_progress_factory(progress.TerminalProgress)


def test_the_line_of_a_map_moves_from_its_first_question_on(told, tmp_path):
    model, seen = scripted_model("<|channel|>final<|message|>Yes.<|return|>"), []

    def before_forward(n):
        if not n:  # while the first prompt is read
            seen.append(told.line.text)
            n_shown = len(told.line.shown)
            wait_until(lambda: len(told.line.shown) > n_shown + 2)

    model.engine.core.before_forward = before_forward
    path = tmp_path / "out.jsonl"
    model.map(range(4), "{}", seed=1, resume=path).run()
    shown = list(dict.fromkeys(told.line.shown))
    assert seen == ["4 rows to answer"]
    assert shown[:5] == [*(f"{n} of 4 questions made" for n in range(1, 5)), "0 of 4 rows"]
    assert shown[-2].startswith("4 of 4 rows, ")
    assert shown[-1] == "closed"
    model.map(range(6), "{}", seed=1, resume=path).run()
    assert "4 of 6 rows" in told.line.shown


def test_the_line_of_samples_moves_while_their_prompt_is_read(told):
    model, seen = scripted_model("<|channel|>final<|message|>Yes.<|return|>"), []

    def before_forward(n):
        if not n:
            wait_until(lambda: told.line is not None)
            seen.append(told.line.shown[-1])

    model.engine.core.before_forward = before_forward
    model.samples("Hi", 3, seed=1)
    assert seen == ["0 of 3 answers, 0 tokens"]


def test_equal_rows_are_asked_once():
    model = random_harmony_model()
    answers = model.map(["x", "y", "x"], "{}", seed=3, max_tokens=4, progress=False).run()
    assert answers[0].reply == answers[2].reply
    assert sum(n for at, n in model.engine.core.computed if at == 0) <= 2 * 80


def test_answers_come_as_they_are_done_and_in_order():
    model = random_harmony_model()
    answers = model.map(range(9), "{}", seed=1, max_tokens=3, progress=False)
    assert sorted(answer.number for answer in answers.as_done()) == list(range(9))
    assert [answer.number for answer in answers] == list(range(9))
    assert [answers[-1].row, len(answers)] == [8, 9]


def test_a_slice_gives_a_list():
    model = random_harmony_model()
    answers = model.map(range(9), "{}", seed=1, max_tokens=3, progress=False)
    assert [answer.row for answer in answers[2:5]] == [2, 3, 4]
    assert [answer.row for answer in answers[::-4]] == [8, 4, 0]
    assert (answers[20:], answers[5].row, len(answers.found)) == ([], 5, 9)
    with pytest.raises(IndexError):
        answers[9]


def test_nothing_runs_before_it_is_read():
    model = random_harmony_model()
    answers = model.map(range(3), "{}", max_tokens=3, progress=False)
    assert (model.engine.core.computed, repr(answers)) == ([], "Answers(0 of 3 rows)")


# ---- templates and rows ------------------------------------------------------------------------------------


class Frame:
    """What pandas shows of a frame."""

    columns = ("title", "text")

    def __iter__(self):
        return iter(self.columns)

    def to_dict(self, how):
        assert how == "records"
        return [{"title": "a", "text": "b"}]


def asked(rows, template=None):
    """The questions that a map asks, or the errors in their place."""
    model = random_harmony_model()
    answers = model.map(rows, template, max_tokens=1, seed=1, progress=False)
    return [answer.error or only_question(answer.reply.prompt_tokens) for answer in answers]


def test_templates_are_texts_functions_or_none():
    assert asked(["cat", ("dog",)], "Spell {}.") == ["Spell cat.", "Spell dog."]
    assert asked([{"a": 1, 2: 3}], "{a} {{x}}") == ["1 {x}"]
    assert asked([("a", "b")], "{1}{0}") == ["ba"]
    assert asked([3], lambda row: f"{row + 1}?") == ["4?"]
    assert asked(iter(["Hi", "Ho"])) == ["Hi", "Ho"]
    assert asked([[{"role": "user", "content": "Hi"}]]) == ["Hi"]
    assert asked(Frame(), "{title}-{text}") == ["a-b"]


def test_named_tuples_are_used_by_name():
    row = namedtuple("row", ["a", "b"])
    assert asked([row(1, "x")], "{b}-{a}-{0}") == ["x-1-1"]
    pandas = pytest.importorskip("pandas")
    assert asked(pandas.DataFrame({"word": ["x", "y"]}).itertuples(), "{word}") == ["x", "y"]


EMPTY = "ValueError: {} is empty in this row; drop the row, or give a function as the template"


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan")])
def test_an_empty_value_is_an_error_of_its_row_and_no_word(value):
    told = EMPTY.format("column 't'")
    assert asked([{"t": value, "u": 1}, {"t": 0, "u": value}], "{t}") == [told, "0"]
    assert asked([{"t": [value]}], "{t[0]}") == [EMPTY.format("column 't[0]'")]
    assert asked(["x", value, (value,)], "{}") == ["x", *[EMPTY.format("the value")] * 2]
    assert asked([{"t": value}], lambda row: "none" if row["t"] is value else "some") == ["none"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_what_a_frame_has_no_value_for_is_an_error_of_its_row(library):
    frames = pytest.importorskip(library)
    told = EMPTY.format("column 't'")
    assert asked(frames.DataFrame({"t": ["x", None, ""]}), "say {t}") == ["say x", told, "say "]
    assert asked(frames.DataFrame({"t": [1.5, None]}), "{t}") == ["1.5", told]
    if library == "pandas":
        column = frames.array([1, None], dtype="Int64")
        assert asked(frames.DataFrame({"t": column}), "{t}") == ["1", told]
        days = frames.to_datetime(["2026-01-02", None])
        assert asked(frames.DataFrame({"t": days}), "{t:%d}") == ["02", told]


def test_a_row_that_cannot_be_asked_has_its_error_in_its_place():
    def template(row):
        if row == 1:
            raise ZeroDivisionError("no such row")
        return "" if row == 2 else "Hi"

    found = asked(range(4), template)
    assert found[0] == found[3] == "Hi"
    assert found[1] == "ZeroDivisionError: no such row"
    (missing, _) = asked([{"b": 1}, {"a": 1}], "{a}")
    assert missing == "ValueError: the row does not fit the template (KeyError: 'a'); it has b"


@pytest.mark.parametrize("rows", ["text", b"text", {"a": 1}, 5, None])
def test_what_has_no_rows_is_told(rows):
    with pytest.raises(TypeError, match="map takes rows"):
        random_harmony_model().map(rows, "{}")


def test_a_lazy_frame_names_what_computes_it():
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"no rows before it is computed; give map frame\.collect\(\)"):
        random_harmony_model().map(polars.LazyFrame({"a": ["x"]}), "{a}")


def test_an_iterable_that_raises_says_at_which_row():
    def rows():
        yield from "ab"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as told:
        random_harmony_model().map(rows(), "{}")
    assert told.value.__notes__ == ["map read its rows: row 2 raised this, and no row was asked"]


@pytest.mark.parametrize(
    ("template", "error", "told"),
    [
        ("{tilte}", ValueError, "needs a column 'tilte', and the frame has: title, text"),
        ("{title", ValueError, "has a mistake"),
        ("{}", ValueError, r"the frame has columns: write the name of one into it \(title, text\)"),
        (5, TypeError, "a template is a text"),
    ],
)
def test_a_template_that_cannot_fit_is_told_at_once(template, error, told):
    with pytest.raises(error, match=told):
        random_harmony_model().map(Frame(), template)


def test_a_response_format_is_made_a_form_once(monkeypatch):
    checked, grammar = [], Form.grammar.fget
    monkeypatch.setattr(Form, "grammar", property(lambda form: checked.append(form) or grammar(form)))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    given = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    model = scripted_model('<|channel|>final<|message|>{"a": 1}<|return|>')
    made = model.map(range(3), "{}", response_format=given, seed=1, progress=False)
    assert len(checked) == 1
    assert [answer.reply.parsed for answer in made] == [{"a": 1}] * 3
    free = model.map(["x"], response_format={"type": "text"}, seed=1, progress=False)
    assert free[0].reply.form is None
    with pytest.raises(ValueError, match="give schema or response_format, got both"):
        model.map(["x"], response_format=given, schema=["a", "b"])


def test_columns_may_have_numbers_as_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.array([[1, 2], [3, 4]]), columns=[1, 0])
    assert asked(frame, "{0}-{1:>2}") == ["2- 1", "4- 3"]
    with pytest.raises(ValueError, match="needs a column '2', and the frame has: 1, 0"):
        asked(frame, "{2}")


@pytest.mark.parametrize("columns", [["a", "b", "a"], [0, "b", "0"]])
def test_a_frame_with_two_columns_of_one_name_is_told(columns):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 3]], columns=columns)
    with pytest.raises(ValueError, match=r"the frame has 2 columns '[a0]', and a row can have only one"):
        asked(frame, "{b}")


@pytest.mark.parametrize("in_flight", [0, 257, "16"])
def test_in_flight_is_bounded(in_flight):
    with pytest.raises(ValueError, match="in_flight must be"):
        random_harmony_model().map(["Hi"], in_flight=in_flight)


# ---- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_comes_back_with_its_answers(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({"word": ["x", "y"], "seed": [1, 2]})
    answers = random_harmony_model().map(frame, "{word}", seed=3, max_tokens=4, progress=False)
    found = answers.to_frame()
    assert type(found) is type(frame)
    assert list(found.columns)[:4] == ["word", "seed", "answer", "reasoning"]
    assert list(found["answer"]) == [answer.text for answer in answers]
    assert list(found["seed_of_answer"]) == [answer.reply.seed for answer in answers]
    column = random_harmony_model().map(frame["word"], "{}", seed=3, max_tokens=4, progress=False)
    assert [a.text for a in column] == list(found["answer"])


def test_a_frame_of_pandas_keeps_its_index():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"word": ["x", "y", "x"]}, index=["k", "l", "m"])
    answers = random_harmony_model().map(frame, "{word}", seed=3, max_tokens=4, progress=False)
    assert answers.to_frame(found_only=True).empty
    frame["answer"] = answers.to_frame()["answer"]
    assert frame["answer"].tolist() == [answer.text for answer in answers]
    del answers.found[1]
    assert answers.to_frame(found_only=True).index.tolist() == ["k", "m"]
    column = random_harmony_model().map(frame["word"], "{}", seed=3, max_tokens=4, progress=False)
    assert column.to_frame().index.tolist() == ["k", "l", "m"]
    assert answers.to_frame("polars").columns[0] == "word"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_mixed_types_are_shown(library):
    pytest.importorskip(library)
    rows = [{"a": 1, "b": 1, "c": [1], "seed": 2**64 - 1}, {"a": "x", "b": 2.5, "c": "y", "seed": 1}]
    frame = random_harmony_model().map(rows, "{a}", seed=3, max_tokens=4, progress=False).to_frame(library)
    assert list(map(str, frame["a"])) == ["1", "x"]
    assert list(frame["b"]) == [1, 2.5]
    assert list(map(str, frame["c"])) == ["[1]", "y"]
    assert list(map(int, frame["seed"])) == [2**64 - 1, 1]


def test_an_error_is_a_row_of_the_table():
    pytest.importorskip("pandas")
    answers = random_harmony_model().map([{"a": 1}, {"b": 2}], "{a}", max_tokens=2, seed=1, progress=False)
    found = answers.to_frame("pandas")
    assert found["error"].isna().tolist() == [True, False]
    assert found["n_new_tokens"].tolist()[0] == 2
    assert found["answer"].isna().tolist() == [False, True]


# ---- bad moments -------------------------------------------------------------------------------------------


def test_rows_of_all_lengths_go_together():
    model = random_harmony_model()
    rows = ["word " * n for n in (1, 900, 0, 300, 5_000)]
    answers = model.map(rows, "say {}", seed=1, max_tokens=3, progress=False).run()
    assert [answer.error is None for answer in answers] == [True, True, True, True, False]
    assert answers[4].error.startswith("ContextFull: the prompt has")


def test_an_interrupt_keeps_what_is_finished_and_reading_on_answers_the_rest():
    model = random_harmony_model()
    model.engine.core.before_forward = lambda n: time.sleep(0.003)
    answers = model.map(range(200), "{}", seed=1, max_tokens=3, in_flight=4, progress=False)
    threading.Timer(0.8, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        answers.run()
    n_done = len(answers.found)
    assert 0 < n_done < 200
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("one of many")]
    model.engine.core.before_forward = lambda n: None
    assert len(list(answers)) == 200


def test_leaving_the_loop_ends_the_answers_that_run():
    model = random_harmony_model()
    for _ in model.map(range(40), "{}", seed=1, max_tokens=50, in_flight=4, progress=False):
        break
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("one of many")])
    model.forget()
    assert model.engine.core.kv.n_blocks == 0


def test_a_model_closed_in_the_middle_ends_the_map():
    model = random_harmony_model()
    answers = model.map(range(40), "{}", seed=1, max_tokens=3, in_flight=2, progress=False)
    coming = answers.as_done()
    next(coming)
    model.close()
    with pytest.raises(RuntimeError, match="was closed"):
        list(coming)
    assert len(answers.found) >= 1


def test_a_device_that_fails_is_the_error_of_its_row():
    model = random_harmony_model()

    failures = iter([RuntimeError("out of resources")])

    def fail_once(n_calls):
        if n_calls == 30 and (failure := next(failures, None)):
            raise failure

    model.engine.core.before_forward = fail_once
    answers = list(model.map(range(12), "{}", seed=1, max_tokens=4, in_flight=1, progress=False))
    failed = [answer for answer in answers if answer.error]
    assert len(failed) == 1
    assert "out of resources" in failed[0].error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("has_file", [False, True])
def test_a_fork_in_the_middle_of_a_map_hangs_nobody(tmp_path, has_file):
    model = random_harmony_model()
    model.engine.core.before_forward = lambda n: time.sleep(0.002)
    settings = {"seed": 1, "max_tokens": 4, "progress": False}
    answers = model.map(
        range(40), "{}", in_flight=4, resume=tmp_path / "out.jsonl" if has_file else None, **settings
    )
    coming = answers.as_done()
    n_before = len([next(coming) for _ in range(5)])

    def read_on():
        told = []
        for _ in range(2):
            try:
                told.append(f"{len(answers.run().found)} answers")
            except (RuntimeError, OSError) as error:
                told.append(f"{type(error).__name__}: {error}")
        assert len(answers.found) >= n_before
        return " | ".join(told)

    first, second = in_child(read_on).split(" | ")
    assert "this process was forked while" in first
    if has_file:
        assert "another process writes its answers there" in second
    else:
        assert second == "40 answers" or "forked while the model was busy" in second
    assert len(list(coming)) == 35
    whole = random_harmony_model().map(range(40), "{}", **settings)
    assert [a.reply.tokens for a in answers] == [a.reply.tokens for a in whole]
    if has_file:
        assert len(set(key_of(tmp_path / "out.jsonl"))) == 40


class Waiting:
    def __init__(self, go):
        self.go = go

    def run(self):
        assert self.go.wait(60)
        return "done"

    def cancel(self):
        self.go.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_task_whose_thread_a_fork_did_not_copy_says_so():
    go, now = threading.Event(), threading.Event()
    now.set()
    coming = as_done([Waiting(go), Waiting(now)], most=2)
    assert next(coming) == (1, "done")
    told = in_child(lambda: list(coming))
    assert told.startswith("[(0, RuntimeError('this process was forked while a thread of its parent did this")
    go.set()
    assert list(coming) == [(0, "done")]


def test_where_no_more_threads_start_fewer_rows_go_together(monkeypatch):
    start, n_started = threading.Thread.start, 0

    def limited(thread):
        nonlocal n_started
        if sum(t.name.startswith("one of many") for t in threading.enumerate()) >= 2:
            raise RuntimeError("can't start new thread")
        n_started += 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    model = random_harmony_model()
    assert len(list(model.map(range(9), "{}", seed=1, max_tokens=3, in_flight=8, progress=False))) == 9
    assert n_started == 9


class Failing:
    def run(self):
        raise KeyError("x")

    def cancel(self):
        raise AssertionError("it has ended")


def test_a_task_that_raises_has_its_error_as_its_result():
    ((number, error),) = as_done([Failing()], most=3)
    assert (number, repr(error)) == (0, "KeyError('x')")


def test_what_an_answer_needed_goes_with_it(tmp_path):
    """Streams hold prompts, samplers and the sequences of the engine."""
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")
    ask, streams = model.ask, []
    model.ask = lambda question: (streams.append(weakref.ref(stream := ask(question))), stream)[1]
    answers = model.map(range(60), "{}", seed=1, in_flight=4, resume=tmp_path / "a", progress=False)
    most = 0
    for _ in answers.as_done():
        gc.collect()
        most = max(most, sum(stream() is not None for stream in streams))
    assert (len(streams), len(answers.found)) == (60, 60)
    assert most <= 4


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_map_on_the_engine_gives_what_single_calls_give(tmp_path, precision):
    """Rows of all lengths, with much, little and nothing in common, on random weights."""
    shape = {"vocab_size": 201088, "num_hidden_layers": 2, "sliding_window": 16, "num_local_experts": 4}
    folder = write_random_checkpoint(
        tmp_path / "model", shape | {"hidden_size": 32, "intermediate_size": 32}, seed=1
    )
    documents = [" ".join(str(n * k) for n in range(60)) for k in (3, 7, 11)]
    rows = [f"{documents[n % 3][: 7 * n]} {n}" for n in range(48)] + ["word " * n for n in range(16)]
    settings = {"max_tokens": 3, "logprobs": 2, "progress": False}
    with ossnb.load(folder, precision=precision) as model, ossnb.load(folder, precision=precision) as other:
        answers = model.map(rows, "{}", seed=1, **settings).run()
        n_read = sum(a.reply.stats.n_prompt_tokens - a.reply.stats.n_cached_tokens for a in answers)
        single = model.map(rows[:8], "{}", seed=1, in_flight=1, **settings)
        assert [a.reply.tokens for a in single] == [a.reply.tokens for a in answers[:8]]
        for answer in answers:
            other.forget()
            sampling = answer.reply.sampling.to_dict()
            again = other.generate(answer.row, **sampling)
            assert again.tokens == answer.reply.tokens
            assert again.logprobs == answer.reply.logprobs
        assert len({answer.reply.stats.n_prompt_tokens for answer in answers}) > 30
        assert n_read < 0.6 * sum(answer.reply.stats.n_prompt_tokens for answer in answers)


def test_ten_thousand_rows_of_a_hundred_kinds():
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")
    rows = [{"n": n, "kind": n % 100} for n in range(10_000)]
    asked, ask = [], model.ask
    model.ask = lambda question: asked.append(question) or ask(question)
    answers = model.map(rows, "{kind}", seed=1, in_flight=32, progress=False).run()
    assert (len(asked), len(answers.found)) == (100, 10_000)
    assert all(answer.text == "Hello." and answer.row["n"] == n for n, answer in enumerate(answers))


def test_many_rows():
    model = scripted_model("<|channel|>final<|message|>Hello.<|return|>")
    answers = model.map(range(300), "{}", seed=1, in_flight=32, progress=False)
    assert {answer.text for answer in answers} == {"Hello."}


# ---- a file of answers -------------------------------------------------------------------------------------


def mapped(model, path, rows=range(6), **options):
    settings = {"max_tokens": 3, "progress": False, **options}
    return model.map(rows, "{}", resume=path, **settings)


def test_a_map_goes_on_from_its_file(tmp_path):
    path = tmp_path / "out.jsonl"
    first = random_harmony_model()
    for answer in mapped(first, path, in_flight=1).as_done():
        if answer.number == 3:
            break
    n_kept = len(path.read_text().splitlines()) - 1
    second = random_harmony_model()
    answers = mapped(second, path).run()
    assert len(answers) == len(answers.found) == 6
    assert len(path.read_text().splitlines()) == 7
    assert 1 <= n_kept < 6
    whole = mapped(random_harmony_model(), tmp_path / "other.jsonl", seed=answers.seed)
    assert [a.reply.tokens for a in whole] == [a.reply.tokens for a in answers]
    third = random_harmony_model()
    assert [a.text for a in mapped(third, path)] == [a.text for a in answers]
    assert third.engine.core.computed == []


def test_half_a_line_at_the_end_is_cut_off(tmp_path):
    path = tmp_path / "out.jsonl"
    mapped(random_harmony_model(), path).run()
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    answers = mapped(random_harmony_model(), path).run()
    assert len(answers.found) == 6
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines()) or answers.seed


@pytest.mark.parametrize("n", [0, 1, 20, -3, -1])
def test_a_first_line_that_is_half_written_is_written_anew(tmp_path, n):
    path = tmp_path / "out.jsonl"
    mapped(random_harmony_model(), path, rows=[], seed=2**40).run()
    whole = path.read_bytes()
    path.write_bytes(whole[:n])
    mapped(random_harmony_model(), path, rows=[], seed=2**40).run()
    assert path.read_bytes() == whole


def n_in_file(path):
    return len(path.read_text().splitlines()) - 1


def test_each_answer_is_in_the_file_as_it_comes(tmp_path):
    path = tmp_path / "out.jsonl"
    answers = mapped(random_harmony_model(), path, in_flight=6)
    for _ in answers.as_done():
        wait_until(lambda: n_in_file(path) == 6)
        break
    assert len(answers.found) == 6


class Broken(Exception):
    pass


@pytest.mark.parametrize("error", [None, Broken, KeyboardInterrupt])
def test_what_is_finished_is_kept_however_the_loop_ends(tmp_path, error):
    path = tmp_path / "out.jsonl"
    answers = mapped(random_harmony_model(), path, rows=[0, 1, 2, 3, 3, 0], in_flight=4)
    with contextlib.suppress(Broken, KeyboardInterrupt):
        for _ in answers:
            wait_until(lambda: n_in_file(path) == 4)
            if error is None:
                break
            raise error
    assert len(answers.found) == 6
    assert not any(answer.error for answer in answers.found.values())


def model_of_short_and_long():
    """A model that answers "short" with "Hi.", and all else without an end."""
    short = scripted_model("<|channel|>final<|message|>Hi.").engine.core.logits_after
    long = random_harmony_model().engine.core.logits_after
    (mark,) = Tokenizer().encode("short")
    return model_of(Core(lambda tokens: short(tokens) if mark in tokens else long(tokens), 201088))


def threads_of_maps():
    return [thread for thread in threading.enumerate() if thread.name.startswith("one of many")]


def test_an_answer_that_was_stopped_is_not_kept(tmp_path):
    path = tmp_path / "out.jsonl"
    answers = mapped(model_of_short_and_long(), path, ["long", "short"], max_tokens=None)
    for answer in answers.as_done():
        assert answer.text == "Hi."
        break
    assert list(answers.found) == [1]
    assert n_in_file(path) == 1


def test_a_full_disk_loses_no_answer(tmp_path, monkeypatch):
    answers = mapped(random_harmony_model(), tmp_path / "out.jsonl", in_flight=1)

    def full(store, key, answer):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ossnb.many.store.Store.add", full)
    with pytest.raises(OSError, match="No space left"):
        answers.run()
    assert len(answers.found) == 1
    monkeypatch.undo()
    assert len(answers.run().found) == 6


def test_loops_within_one_another_share_the_answers(tmp_path):
    model = random_harmony_model()
    answers = mapped(model, tmp_path / "out.jsonl")
    assert [(a.number, b.number) for a, b in zip(answers, answers, strict=True)] == [(n, n) for n in range(6)]
    plain = model.map(range(6), "{}", seed=answers.seed, max_tokens=3, in_flight=2, progress=False)
    asked, ask = [], model.ask
    model.ask = lambda question: asked.append(question) or ask(question)
    came = [(answer.number, plain[-1].number) for answer in plain.as_done()]
    assert sorted(came) == [(n, 5) for n in range(6)]
    assert len(asked) == 6
    assert [a.reply.tokens for a in plain] == [a.reply.tokens for a in answers]


def test_the_last_loop_that_is_left_ends_the_answers_that_run():
    answers = model_of_short_and_long().map(["short", "long", "short "], "{}", seed=1, progress=False)
    first, second = answers.as_done(), answers.as_done()
    assert next(first).text == "Hi."
    assert next(second).text == "Hi."
    first.close()
    assert threads_of_maps()
    second.close()
    assert not threads_of_maps()


def test_a_loop_goes_on_after_an_error_in_another():
    model = random_harmony_model()
    answers = model.map(range(6), "{}", seed=1, max_tokens=3, in_flight=1, progress=False)
    ask, failures = model.ask, iter([KeyError("a fault of our own")])

    def fail_once(question):
        if failure := next(failures, None):
            raise failure
        return ask(question)

    coming = answers.as_done()
    numbers = [next(coming).number]
    model.ask = fail_once
    with pytest.raises(KeyError, match="a fault of our own"):
        answers.run()
    numbers += [answer.number for answer in coming]
    assert sorted(numbers) == list(range(6))


def test_answers_that_their_own_template_reads_say_so():
    answers = random_harmony_model().map(
        range(2), lambda row: answers[0].text, max_tokens=3, seed=1, progress=False
    )
    assert {answer.error[:45] for answer in answers} == {"RuntimeError: these answers are read just now"}


def key_of(path):
    return [json.loads(line)["key"] for line in path.read_text().splitlines()[1:]]


def test_a_setting_that_changes_answers_asks_the_rows_again(tmp_path):
    def now() -> str:
        """Say the time."""
        return "noon"

    settings = [
        {},
        {"run_tools": False},
        {"max_rounds": 2},
        {"timeout": 5},
        {"overflow": "drop_oldest"},
        {"docs": ossnb.Documents({"sky": "green"})},
        {"docs": ossnb.Documents({"sky": "green"}, whole=0)},
    ]
    models = [scripted_model("<|channel|>final<|message|>Hi.", context) for context in (131_072, 4096)]
    path = tmp_path / "out.jsonl"
    for n, (model, more) in enumerate([(models[0], one) for one in settings] + [(models[1], {})], start=1):
        model.map(["x"], tools=[now], resume=path, seed=1, progress=False, **more).run()
        assert len(set(key_of(path))) == n
    models[0].map(["x"], tools=[now], resume=path, seed=1, progress=False, max_rounds=8, timeout=120).run()
    assert len(key_of(path)) == len(settings) + 1, "the usual ones, written out"


def test_half_a_character_in_an_error_or_a_prompt_is_replaced(tmp_path):
    def template(row):
        if row == 0:
            raise ValueError("bad \ud800 text")
        return "Hi"

    model = scripted_model("<|channel|>final<|message|>Hi.")
    answers = model.map(range(2), template, "Be \udfff.", seed=1, resume=tmp_path / "a", progress=False)
    assert [str(answer) for answer in answers] == ["ValueError: bad \ufffd text", "Hi."]

    def fail(n_calls):
        raise RuntimeError("bad \ud800 device")

    model.engine.core.before_forward = fail
    path = tmp_path / "b"
    (answer,) = model.map(["Ho"], seed=1, resume=path, progress=False)
    assert "bad \ufffd device" in answer.error
    model.engine.core.before_forward = lambda n: None
    assert model.map(["Ho"], seed=1, resume=path, progress=False)[0].error == answer.error


def test_errors_in_the_file_are_asked_again_on_request(tmp_path):
    path = tmp_path / "out.jsonl"
    failing = random_harmony_model()
    failing.engine.core.before_forward = lambda n: (_ for _ in ()).throw(RuntimeError("broken"))
    assert all(answer.error for answer in mapped(failing, path))
    model = random_harmony_model()
    assert all(answer.error for answer in mapped(model, path))
    assert not any(answer.error for answer in mapped(model, path, retry_errors=True))
    assert not any(answer.error for answer in mapped(model, path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"a": 1}]', "is no file of a map's answers"),
        ('{"format": "ossnb map", "version": 2, "seed": 5', "is no file of a map's answers"),
        ('{"format": "ossnb map", "version": 1, "seed": 5, "mine": 1}', "is no file of a map's answers"),
        ("a" * 20_000, "is no file of a map's answers"),
        ("{}\n", "is no file of a map's answers"),
        ("not json\n", "line 1 of"),
        ('{"format": "ossnb map", "version": 1, "seed": -1}\n', "seed in"),
        ('{"format": "ossnb map", "version": 1, "seed": 5}\n[]\n{"key": "a"}\n', "line 2 of"),
        ('{"format": "ossnb map", "version": 1, "seed": 5}\n{"key": "a", "rest": 1}\n', "line 2 of"),
    ],
)
def test_a_file_that_is_no_map_is_told_and_stays(tmp_path, content, told):
    path = tmp_path / "out.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=told):
        mapped(random_harmony_model(), path)
    assert path.read_text() == content


def test_another_seed_than_the_files_is_told(tmp_path):
    path = tmp_path / "out.jsonl"
    mapped(random_harmony_model(), path, seed=5).run()
    assert mapped(random_harmony_model(), path).seed == 5
    with pytest.raises(ValueError, match="was begun with seed=5, got seed=6"):
        mapped(random_harmony_model(), path, seed=6)


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from test_many import random_harmony_model, mapped
for n, answer in enumerate(mapped(random_harmony_model(), {path!r}, range(20), seed=2).as_done()):
    if n == 7:
        os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL here")
def test_a_map_goes_on_after_kill_9(tmp_path):
    path = tmp_path / "out.jsonl"
    script = KILLED.format(tests=str(Path(__file__).parent), path=str(path))
    ran = subprocess.run([sys.executable, "-c", script], timeout=120, check=False, capture_output=True)
    assert ran.returncode == -9, ran.stderr
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(kept) >= 8
    model = random_harmony_model()
    answers = mapped(model, path, range(20), seed=2).run()
    whole = mapped(random_harmony_model(), tmp_path / "whole.jsonl", range(20), seed=2)
    assert [a.reply.tokens for a in answers] == [a.reply.tokens for a in whole]


def test_two_processes_do_not_write_one_file(tmp_path):
    path = tmp_path / "out.jsonl"
    coming = mapped(random_harmony_model(), path).as_done()
    next(coming)
    with pytest.raises(BlockingIOError, match="another process writes"):
        mapped(random_harmony_model(), path)
    coming.close()
    assert len(mapped(random_harmony_model(), path).run().found) == 6


# ---- scores ------------------------------------------------------------------------------------------------


def logprobs_of(model, tokens):
    logits = model.logits(tokens).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("n_words", [1, 70])
def test_a_score_has_the_log_probabilities_of_the_logits(demo, n_words):
    text = "Roses " * n_words
    score = demo.score(ossnb.Question.raw("A poem:"), text)
    before = demo.tokenizer.encode("A poem:")
    expected = logprobs_of(demo, [*before, *score.tokens])
    rows = expected[len(before) - 1 : -1][np.arange(len(score.tokens)), score.tokens]
    np.testing.assert_allclose(score.logprobs, rows, atol=3e-5)
    assert score.total == pytest.approx(rows.sum(), abs=1e-3)
    assert "".join(score.texts) == text


def test_a_score_is_the_same_with_and_without_kept_keys(demo):
    demo.forget()
    first = demo.score("What is 2 + 2?", "2 + 2 = 4.")
    again = demo.score("What is 2 + 2?", "2 + 2 = 4.")
    assert first.logprobs.tolist() == again.logprobs.tolist()


def test_a_score_stands_where_an_answer_stands(demo):
    reply = demo.generate("What is 2 + 2?", effort="low", temperature=0, logprobs=1)
    question = ossnb.Question.of("What is 2 + 2?", effort="low")
    at = [entry.token for entry in reply.logprobs].index(200008) + 1  # after <|message|>
    written = [entry.logprob for entry in reply.logprobs[at:-1]]
    assert demo.score(question, reply.text).logprobs.tolist() == pytest.approx(written, abs=1e-6)


def test_choose_takes_the_likeliest_answer(demo):
    question = ossnb.Question.of("What is 2 + 2?", effort="low")
    chosen = demo.choose(question, ["2 + 2 = 5.", "2 + 2 = 4.", "No."])
    assert (chosen.text, chosen.index, str(chosen)) == ("2 + 2 = 4.", 1, "2 + 2 = 4.")
    assert math.fsum(chosen.shares) == pytest.approx(1)
    single = demo.score(question, "2 + 2 = 5.").total
    assert chosen.logprobs[0] <= single  # its end counts, too


def test_an_option_that_begins_another_has_its_own_end(demo):
    question = ossnb.Question.of("What is 2 + 2?", effort="low")
    assert demo.choose(question, ["2 + 2 =", "2 + 2 = 4."]).index == 1


@pytest.mark.parametrize("options", [[], ["a", "a"], [""], "ab", [1]])
def test_options_that_are_none_are_told(demo, options):
    with pytest.raises(ValueError, match=r"choose takes a list|an option must be a text"):
        demo.choose("Hi", options)


def test_perplexity_is_that_of_the_logits(demo):
    tokens = demo.tokenizer.encode("Roses are red, violets are blue")
    rows = logprobs_of(demo, tokens)[np.arange(len(tokens) - 1), tokens[1:]]
    assert demo.perplexity("Roses are red, violets are blue") == pytest.approx(
        math.exp(-rows.mean()), rel=1e-4
    )
    assert demo.perplexity(tokens) == demo.perplexity("Roses are red, violets are blue")


@pytest.mark.parametrize("text", ["", "a", 5, [1]])
def test_a_text_too_short_for_a_perplexity_is_told(demo, text):
    with pytest.raises(ValueError, match=r"at least two tokens|must be|sequence of integers"):
        demo.perplexity(text)


def test_what_does_not_fit_the_context_is_told():
    model = random_harmony_model()
    with pytest.raises(ossnb.ContextFull):
        model.score("Hi", "word " * 5000)
    with pytest.raises(ossnb.ContextFull):
        model.perplexity([1] * 4097)


def test_reading_ahead_leaves_one_token_to_read():
    model = random_harmony_model()
    question = ossnb.Question.of("A question", max_tokens=1, seed=1)
    n = model.read_ahead(question)
    assert model.ask(question).run().stats.n_cached_tokens == n
    assert model.read_ahead(question) == 0
    assert model.read_ahead("A question") == 0, "the same prompt"


def test_a_template_that_names_nothing_of_a_row_asks_nobody():
    with pytest.raises(ValueError, match=r"'Spell it.' names nothing of a row, so that every row would ask"):
        random_harmony_model().map(["cat", "dog"], "Spell it.")
