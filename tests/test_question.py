"""Questions: values, checked in one place; every way to ask is a question to `Model.ask`."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import pickle
import re

import pytest

import ossnb
from fakes import random_model, scripted_model
from ossnb import Message, Question, Sampling
from ossnb.generation.keywords import ADVICE, AT_DOOR, PEER_NAMES, RENAMED, check_keywords, takes
from ossnb.generation.question import QUESTION_DEFAULTS, QuestionOptions
from ossnb.generation.sampling import SAMPLING_DEFAULTS, SamplingOptions

ANSWER = "<|channel|>final<|message|>Hi"
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

QUESTIONS = {
    "a prompt": Question.of("Hi"),
    "everything": Question.of(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "Be brief.",
        "low",
        tools=TOOLS,
        temperature=0.5,
        stop=["END", 7],
        logit_bias={5: 1},
        seed=3,
    ),
    "raw text": Question.raw("Roses are red,", max_tokens=3),
    "raw tokens": Question.raw([1, 2, 3], seed=2**64 - 1),
    "begun": Question(effort="high", prompt=(1, 2), begun=(3,)),
}


# ---- a question is a value -----------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_is_a_value(question):
    assert pickle.loads(pickle.dumps(question)) == question
    assert dataclasses.replace(question) == question
    assert hash(copy.deepcopy(question)) == hash(question)
    assert all(question != other for other in QUESTIONS.values() if other is not question)
    with pytest.raises(dataclasses.FrozenInstanceError):
        question.effort = "high"


def test_whoever_writes_it_otherwise_asks_the_same():
    messages = [{"role": "user", "content": "Hi"}]
    assert Question.of("Hi") == Question.of(messages) == Question.of([Message("user", "Hi")])
    assert Question.of("Hi", None, "low", tools=[]) == Question.of("Hi", effort="low", tools=None)
    assert Question.of("Hi").messages == (Message("user", "Hi"),)
    assert Question.of("Hi", seed=7, top_k=5).sampling == Sampling(seed=7, top_k=5)


def test_it_does_not_follow_what_its_caller_changes_later():
    tools, messages = copy.deepcopy(TOOLS), [{"role": "user", "content": "Hi"}]
    question = Question.of(messages, tools=tools)
    tools[0]["function"]["name"] = "other"
    messages.append({"role": "user", "content": "And?"})
    assert question == Question.of("Hi", tools=TOOLS)


def test_a_changed_one_is_checked_again():
    question = Question.of("Hi")
    assert dataclasses.replace(question, effort="high") == Question.of("Hi", effort="high")
    for change in ({"effort": "max"}, {"effort": None}, {"messages": ()}, {"prompt": "Hi"}, {"sampling": 1}):
        with pytest.raises(ValueError, match=r"effort must be|is empty|got both|sampling must be"):
            dataclasses.replace(question, **change)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "the list of messages is empty; give at least {'role': 'user', 'content': '...'}"),
        ({"messages": [1]}, "message 0 must be a dict or a Message, got int"),
        ({"effort": "max"}, "effort must be one of low, medium, high, got 'max'"),
        ({"instructions": 3}, "instructions must be a str or None, got int"),
        ({"tools": {"name": "f"}}, "tools must be a list of functions or dicts, got dict"),
        (
            {"tools": ["f"]},
            "a tool named by a text is one of python, python:here, got 'f'",
        ),
        ({"tools": [{"name": "a b"}]}, "a tool's name must be letters, digits, _ and -, got 'a b'"),
        ({"sampling": {"seed": 7}}, "sampling must be a Sampling, got dict; write Sampling(temperature=0.5)"),
        ({"prompt": "x", "effort": "low"}, "a prompt of text is continued as it stands, with effort=None"),
        ({"prompt": "", "effort": None}, "prompt must be text to go on from, got ''"),
        ({"prompt": [], "effort": None}, "prompt must have at least one token, got none"),
        ({"prompt": [1.5], "effort": None}, "prompt[0] must be an integer, got 1.5"),
        ({"prompt": b"x", "effort": None}, "prompt must be a sequence of integers, got bytes"),
        ({"prompt": [1], "messages": "Hi"}, "has messages or a prompt that is rendered already, got both"),
        ({"prompt": [1], "instructions": "x"}, "has instructions or a prompt"),
        ({"prompt": [1], "effort": "max"}, "effort must be one of"),
        ({"prompt": [1], "begun": [True]}, "begun[0] must be an integer, got True"),
    ],
)
def test_what_is_wrong_is_named(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Question(**{"messages": () if "prompt" in fields or not fields else "Hi", **fields})


# ---- every way to ask is a question --------------------------------------------------------------------


def test_a_model_answers_a_question():
    model, ended = scripted_model(ANSWER), []
    stream = model.ask(Question.of("Hello", "Be brief.", "low", seed=7), on_end=ended.append)
    reply = stream.run()
    assert ended == [reply]
    assert (reply.text, reply.effort, reply.seed) == ("Hi", "low", 7)
    assert reply.prompt_tokens == model.generate("Hello", "Be brief.", "low").prompt_tokens
    assert 0 <= model.ask(Question.of("Hello")).run().seed < 2**32, "drawn where none is given"
    with pytest.raises(TypeError, match=r"ask takes a Question, got str; Question.of\(...\) makes one"):
        model.ask("Hello")


@pytest.fixture
def asked(monkeypatch):
    """(model, the questions that reach its `ask`)."""
    model, questions = scripted_model(ANSWER), []
    ask = model.ask

    def remember(question, **more):
        questions.append(question)
        return ask(question, **more)

    monkeypatch.setattr(model, "ask", remember)
    ossnb.set_default_model(model)
    yield model, questions
    ossnb.set_default_model(None)


def test_every_way_to_ask_asks_the_same_question(asked):
    model, questions = asked
    given = ("Hello", "Be brief.", "low")
    options = {"tools": TOOLS, "temperature": 0.5, "seed": 7}
    for place in (model, ossnb):
        place.generate(*given, **options)
        place.stream(*given, **options).run()
        asyncio.run(place.agenerate(*given, **options))
        asyncio.run(place.astream(*given, **options).run())
    for ask in (
        lambda chat: chat.say("Hello"),
        lambda chat: chat.stream("Hello").run(),
        lambda chat: asyncio.run(chat.asay("Hello")),
        lambda chat: asyncio.run(chat.astream("Hello").run()),
    ):
        ask(model.chat("Be brief.", effort="low", **options))
    model.chat("Be brief.").say("Hello", effort="low", **options)
    assert len(questions) == 13
    assert set(questions) == {Question.of(*given, **options)}


def test_raw_text_is_a_question_too(asked):
    model, questions = asked
    model.complete("Roses", max_tokens=2, seed=1)
    model.stream_complete("Roses", max_tokens=2, seed=1).run()
    ossnb.complete("Roses", max_tokens=2, seed=1)
    assert set(questions) == {Question.raw("Roses", max_tokens=2, seed=1)}
    assert questions[0].effort is None


def test_a_branch_is_a_question_too():
    model = random_model()
    reply = model.complete([1, 2], max_tokens=6, seed=3, logprobs=2)
    question = Question.branch(reply, 2, [9], temperature=0)
    assert (question.prompt, question.begun, question.effort) == ((1, 2), (*reply.tokens[:2], 9), None)
    assert question.sampling == dataclasses.replace(reply.sampling, temperature=0, logprobs=0)
    branch = model.ask(question).run()
    assert branch == dataclasses.replace(reply.branch(2, [9], temperature=0), stats=branch.stats)


def test_the_default_model_is_not_loaded_for_a_question_that_is_wrong(monkeypatch):
    monkeypatch.setattr("ossnb.loader.load", lambda: pytest.fail("it was loaded"))
    ossnb.set_default_model(None)
    for ask in (ossnb.generate, ossnb.stream, ossnb.complete):
        with pytest.raises(ValueError, match="top_k must be >= 0"):
            ask("Hi", top_k=-1)


# ---- the keywords --------------------------------------------------------------------------------------


def test_what_callers_may_write_is_what_a_question_has():
    names = {f.name for f in dataclasses.fields(Question)}
    own = QuestionOptions.__annotations__.keys() - SamplingOptions.__annotations__.keys()
    of_calls = {"run_tools", "max_rounds", "timeout", "on_step", "approve"}  # in its toolkit
    of_the_form = {"schema", "response_format"}
    assert own - of_calls - of_the_form < names
    assert QUESTION_DEFAULTS.keys() == QuestionOptions.__annotations__.keys()


DOORS = {
    door.__qualname__: (door, defaults)
    for defaults, doors in (
        (
            QUESTION_DEFAULTS,
            [
                *(
                    getattr(ossnb.Model, name)
                    for name in ("generate", "stream", "agenerate", "astream", "chat")
                ),
                *(getattr(ossnb, name) for name in ("generate", "stream", "agenerate", "astream")),
                ossnb.Chat.__init__,
                Question.of,
            ],
        ),
        (
            SAMPLING_DEFAULTS,
            [ossnb.Model.complete, ossnb.Model.stream_complete, ossnb.complete, Question.raw],
        ),
    )
    for door in doors
}


@pytest.mark.parametrize(("door", "defaults"), DOORS.values(), ids=DOORS)
def test_signatures_show_every_setting_with_its_default(door, defaults):
    shown = inspect.signature(door).parameters
    assert {name: shown[name].default for name in defaults} == defaults
    assert not {"options", "sampling"} & shown.keys()
    assert list(shown)[-1] == "drafts"
    assert inspect.iscoroutinefunction(door) == (door.__name__ == "agenerate")


PEERS_AT_GENERATE = [
    ("system", "here it is instructions"),
    ("system_prompt", "here it is instructions"),
    ("reasoning_effort", "here it is effort"),
    ("reasoning", "here it is effort"),
    ("max_new_tokens", "here it is max_tokens"),
    ("max_completion_tokens", "here it is max_tokens"),
    ("num_predict", "here it is max_tokens"),
    ("n_predict", "here it is max_tokens"),
    ("num_ctx", "here it is context, and load(..., context=...) takes it"),
    ("max_length", "here it is context, and load(..., context=...) takes it"),
    ("json_schema", ": here it is schema"),
    ("n", "model.samples(prompt, 3)"),
    ("num_return_sequences", "a call gives one reply"),
    ("best_of", "a call gives one reply"),
    ("functions", "here it is tools"),
    ("stop_sequences", "here it is stop"),
    ("eos_token_id", "here it is stop"),
    ("repeat_penalty", "here it is repetition_penalty"),
    ("do_sample", "temperature=0 always takes the likeliest token"),
    ("stream", "stream(...) gives the events one by one"),
    ("messages", "give it first and without a name, as in"),
    ("prompt", "give it first and without a name, as in"),
    ("top_logprobs", "here it is logprobs"),
    ("model", 'load it first: model = ossnb.load("20b")'),
    ("precision", "load(..., precision="),
    ("on_end", "stream(..., on_end=...) takes it"),
    ("temprature", "; did you mean temperature? The settings are"),
    ("mirostat", ". The settings are prompt_or_messages, instructions, effort, tools, docs, schema"),
]


@pytest.mark.parametrize(("name", "told"), PEERS_AT_GENERATE)
def test_a_name_that_peers_use_gets_ours(name, told):
    start = re.escape(f"generate() got an unknown setting {name!r}") + ".*" + re.escape(told)
    model = scripted_model(ANSWER)
    first = () if name in ("messages", "prompt") else ("Hi",)
    for place, door in ((model, "Model."), (ossnb, "")):
        with pytest.raises(TypeError, match=re.escape(door) + start):
            place.generate(*first, **{name: 1})
        with pytest.raises(TypeError, match=re.escape(f"{door}a") + start):
            asyncio.run(place.agenerate(*first, **{name: 1}))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda m: ossnb.load("demo", num_ctx=1),
            "load() got an unknown setting 'num_ctx': here it is context",
        ),
        (lambda m: ossnb.load(model="demo"), 'give it first and without a name, as in load("20b")'),
        (lambda m: ossnb.load("demo", n_threads=1), "here it is threads"),
        (
            lambda m: ossnb.load("demo", system="x"),
            "here it is instructions, and generate(..., instructions=",
        ),
        (lambda m: m.chat(messages=[]), "begin the chat, then set them: chat = model.chat(); chat.messages"),
        (
            lambda m: m.chat(system="x"),
            "Model.chat() got an unknown setting 'system': here it is instructions",
        ),
        (
            lambda m: ossnb.Chat(m, system="x"),
            "Chat() got an unknown setting 'system': here it is instructions",
        ),
        (
            lambda m: m.chat().say("Hi", system="x"),
            "here it is instructions, and they hold for the whole chat",
        ),
        (lambda m: m.chat().stream("Hi", instructions="x"), "they hold for the whole chat"),
        (lambda m: m.chat().say(messages=[]), 'as in say("Hello")'),
        (lambda m: m.complete("x", effort="low"), "raw text has none; generate(..., effort=...) takes it"),
        (lambda m: m.complete(prompt_="x"), "did you mean prompt?"),
        (lambda m: Question.of("Hi", max_new_tokens=1), "Question.of() got an unknown setting"),
        (lambda m: Question.raw("Hi", n=2), "a call gives one reply"),
        (lambda m: m.generate("Hi").branch(1, "x", max_new_tokens=1), "here it is max_tokens"),
        (
            lambda m: ossnb.sliders("Hi", model=m, temprature=1),
            "sliders() got an unknown setting 'temprature'",
        ),
        (lambda m: Sampling.of({"top_K": 1}), "did you mean top_k?"),
    ],
)
def test_every_door_uses_the_table(call, told):
    with pytest.raises(TypeError, match=re.escape(told)):
        call(scripted_model(ANSWER))


def test_the_table_is_sound():
    n_peers = sum(map(len, PEER_NAMES.values()))
    assert n_peers == len(RENAMED), "a name stands for one of ours"
    assert not RENAMED.keys() & ADVICE.keys()
    ours = {*QUESTION_DEFAULTS, "instructions", "effort", "context", "threads", "precision", "kv"}
    assert PEER_NAMES.keys() <= ours
    assert not {*RENAMED, *ADVICE} & ours, "a name of ours is no other's"
    for door, name in AT_DOOR:
        with pytest.raises(TypeError, match=re.escape(f"unknown setting {name!r}: ")):
            check_keywords(door, [name], [])


def test_functions_that_are_checked_stay_what_they_are():
    @takes({"seed": None})
    def ask(prompt: str, *, loud: bool = False, **options: object) -> dict:
        """Ask."""
        return {"loud": loud, **options}

    assert ask("Hi", loud=True, seed=7) == {"loud": True, "seed": 7}
    assert (ask.__name__, ask.__doc__) == ("ask", "Ask.")
    assert list(inspect.signature(ask).parameters) == ["prompt", "loud", "seed"]
    with pytest.raises(TypeError, match="missing a required argument: 'prompt'"):
        ask()
    with pytest.raises(TypeError, match="did you mean loud"):
        ask("Hi", lou=1)


def test_none_is_the_default_at_every_door():
    nothing = dict.fromkeys(QUESTION_DEFAULTS)
    assert Question.of("Hi", None, None, **nothing) == Question.of("Hi")
    assert Question.raw("Hi", **dict.fromkeys(SAMPLING_DEFAULTS)) == Question.raw("Hi")
    model = scripted_model("<|channel|>final<|message|>Hi<|return|>")
    for door in (model.generate, lambda *a, **k: model.stream(*a, **k).run()):
        reply = door("Hi", None, None, **nothing)
        assert (reply.effort, reply.sampling.temperature, reply.text) == ("medium", 1.0, "Hi")
    chat = model.chat(effort=None, **nothing)
    assert (chat.effort, chat.options) == ("medium", {})
    chat = model.chat(temperature=0, seed=7, effort="low")
    reply = chat.say("Hi", effort=None, **nothing)
    assert (reply.effort, reply.sampling.temperature, reply.seed) == ("low", 0, 7), "the chat's own"
    branch = reply.branch(1, "x", **dict.fromkeys(SAMPLING_DEFAULTS))
    assert dataclasses.replace(branch.sampling, keep_rules=True) == reply.sampling, "the reply's own"
