"""A conversation: what it remembers, what it computes again, and what an interrupted turn leaves."""

from __future__ import annotations

import json
import re
import threading

import numpy as np
import pytest

from fakes import Core, model_of, scripted_model
from ossnb.chat import Chat
from ossnb.errors import Busy, ContextFull, Interrupted
from ossnb.harmony.messages import Message
from ossnb.harmony.tokenizer import RETURN, Tokenizer

TOKENIZER = Tokenizer()
ANSWER = (
    "<|channel|>analysis<|message|>Thinking.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Hello there!<|return|>"
)


def echo_model():
    """A model whose answer is the number of user messages it sees."""

    def logits_after(tokens):
        text = TOKENIZER.decode(tokens)
        n = text.count("<|start|>user<|message|>")
        script = TOKENIZER.encode(f"<|channel|>final<|message|>{n}<|return|>", special=True)
        written = len(tokens) - 1 - tokens[::-1].index(173781)  # tokens after the last "assistant"
        row = np.zeros(201088, np.float32)
        row[script[min(len(tokens) - 1 - written, len(script) - 1)]] = 1000  # a wrong draft may go further
        return row

    return model_of(Core(logits_after, 201088))


def rendered(reply):
    return TOKENIZER.decode(reply.prompt_tokens)


def test_a_chat_remembers_its_turns():
    chat = echo_model().chat(instructions="Count.")
    assert [chat.say("a").text, chat.say("b").text, chat.say("c").text] == ["1", "2", "3"]
    assert [m.role for m in chat.messages] == ["user", "assistant"] * 3
    reply = chat.say("d")
    assert "# Instructions\n\nCount." in rendered(reply)
    assert "<|start|>assistant<|channel|>final<|message|>3<|end|><|start|>user<|message|>d" in rendered(reply)


def test_thoughts_are_remembered_but_not_shown_to_the_model_again():
    chat = scripted_model(ANSWER).chat()
    chat.say("a")
    assert [m.channel for m in chat.messages] == [None, "analysis", "final"]
    assert "Thinking" not in rendered(chat.say("b"))


def test_a_turn_computes_only_from_where_the_prompt_differs():
    chat = scripted_model(ANSWER).chat()
    n_first = chat.say("a").stats.n_prompt_tokens
    stats = chat.say("b").stats
    assert stats.n_cached_tokens >= n_first
    assert stats.n_prompt_tokens - stats.n_cached_tokens < 20


def test_messages_can_be_edited_and_reset():
    chat = echo_model().chat()
    chat.say("a")
    chat.say("b")
    del chat.messages[2:]
    assert chat.say("c").text == "2"
    chat.messages[:] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    assert chat.say("z").text == "2"
    chat.reset()
    assert chat.messages == []
    assert chat.say("a").text == "1"


def test_settings_hold_for_every_turn_unless_overridden():
    chat = scripted_model(ANSWER).chat(effort="low", temperature=0.5, seed=7)
    reply = chat.say("a")
    assert (reply.sampling.temperature, reply.seed, reply.effort) == (0.5, 7, "low")
    reply = chat.say("b", temperature=0, effort="high")
    assert (reply.sampling.temperature, reply.seed, reply.effort) == (0, 7, "high")
    assert chat.say("c").effort == "low"


def test_wrong_settings_are_refused_when_the_chat_begins():
    model = scripted_model(ANSWER)
    with pytest.raises(ValueError, match="top_p must be in"):
        model.chat(top_p=2)
    with pytest.raises(ValueError, match="effort must be one of"):
        model.chat(effort="max")
    with pytest.raises(TypeError, match="unknown setting"):
        model.chat(temprature=1)


def test_streaming_a_turn_remembers_it_when_it_ends():
    chat = scripted_model(ANSWER).chat()
    stream = chat.stream("a")
    next(stream)
    assert chat.messages == []
    assert stream.run().text == "Hello there!"
    assert [m.content for m in chat.messages] == ["a", "Thinking.", "Hello there!"]


def test_an_interrupted_turn_keeps_what_was_written():
    model = scripted_model(ANSWER)
    chat = model.chat()

    def before_forward(n):
        if n == len(TOKENIZER.encode(ANSWER, special=True)) - 2:
            model.engine.core.before_forward = lambda n: None
            raise KeyboardInterrupt

    model.engine.core.before_forward = before_forward
    with pytest.raises(Interrupted) as caught:
        chat.say("a")
    assert caught.value.reply.text == "Hello there"
    assert [m.content for m in chat.messages] == ["a", "Thinking.", "Hello there"]
    assert "<|channel|>final<|message|>Hello there<|end|>" in rendered(chat.say("go on"))


def test_a_turn_that_produced_nothing_leaves_no_trace():
    model = scripted_model(ANSWER)
    chat = model.chat()

    def interrupt(n):
        model.engine.core.before_forward = lambda n: None
        raise KeyboardInterrupt

    model.engine.core.before_forward = interrupt
    with pytest.raises(Interrupted):
        chat.say("a")
    assert chat.messages == []
    with pytest.raises(ContextFull):
        chat.say("word " * 5000)
    assert chat.messages == []
    assert chat.say("a").text == "Hello there!"


def test_a_tool_loop():
    call = '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>'
    first, second = (
        TOKENIZER.encode(t, special=True) for t in (call, "<|channel|>final<|message|>Sunny.<|return|>")
    )

    def logits_after(tokens):
        script = second if "sunny" in TOKENIZER.decode(tokens) else first
        written = next(n for n in range(len(script), -1, -1) if n == 0 or tokens[-n:] == script[:n])
        row = np.zeros(201088, np.float32)
        row[script[written] if written < len(script) else RETURN] = 1000
        return row

    chat = model_of(Core(logits_after, 201088)).chat(
        tools=[{"name": "weather", "parameters": {"type": "object"}}]
    )
    reply = chat.say("How is Paris?")
    (made,) = reply.tool_calls
    assert (reply.finish_reason, made.name, made.arguments) == ("tool_calls", "weather", {"city": "Paris"})
    chat.tool_result(made, json.dumps({"sky": "sunny"}))
    answer = chat.say()
    assert answer.text == "Sunny."
    assert "type weather = (_: {\n}) => any;" in rendered(answer)
    assert (
        '<|start|>functions.weather<|channel|>commentary to=assistant<|message|>{"sky": "sunny"}<|end|>'
        in rendered(answer)
    )
    assert answer.stats.n_cached_tokens >= reply.stats.n_prompt_tokens + len(reply.tokens) - 1
    assert [m.role for m in chat.messages] == ["user", "assistant", "tool", "assistant"]


def test_a_result_may_name_its_tool_and_must_be_text():
    chat = scripted_model(ANSWER).chat()
    chat.tool_result("weather", "sunny")
    assert chat.messages == [Message("tool", "sunny", "commentary", "assistant", name="functions.weather")]
    with pytest.raises(ValueError, match=r"output must be a str \(json.dumps makes one\), got dict"):
        chat.tool_result("weather", {"sky": "sunny"})


def test_there_must_be_something_to_answer():
    with pytest.raises(ValueError, match="say something first"):
        scripted_model(ANSWER).chat().say()


def test_its_repr_tells_how_long_it_is():
    chat = scripted_model(ANSWER).chat(effort="low")
    chat.say("a")
    assert repr(chat) == "Chat('fake', 3 messages, effort='low')"


def test_saying_something_in_place_of_an_earlier_turn():
    chat = echo_model().chat()
    for text in "abc":
        chat.say(text)
    reply = chat.say("B", at=2)
    assert reply.text == "2"
    assert [m.content for m in chat.messages] == ["a", "1", "B", "2"]
    assert reply.stats.n_cached_tokens > 0.7 * reply.stats.n_prompt_tokens
    assert chat.say(at=3).text == "2", "the answer to B again"
    assert [m.content for m in chat.messages] == ["a", "1", "B", "2"]
    with pytest.raises(ValueError, match=r"at must be in 0\.\.4, a place in the messages, got 5"):
        chat.say("x", at=5)
    with pytest.raises(ContextFull):
        chat.say("word " * 5000, at=0)
    assert len(chat.messages) == 4, "what gave nothing drops nothing"


# ---- files -------------------------------------------------------------------------------------------------

TOOLS = [{"name": "weather", "parameters": {"type": "object"}}]


def full_chat():
    """A chat with all that a file must keep."""
    options = {"temperature": 0.5, "seed": 7, "stop": ["END", 5], "logit_bias": {11: -1.5}}
    chat = scripted_model(ANSWER).chat("Be brief. 🙂", effort="low", tools=TOOLS, **options)
    chat.say('שלום, "x"\n{{y}}')
    chat.messages += [
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "name": "weather", "content": "sunny"},
    ]
    return chat


def test_a_saved_chat_goes_on_as_if_nothing_had_happened(tmp_path):
    chat = full_chat()
    chat.save(tmp_path / "chat.json")
    assert [path.name for path in tmp_path.iterdir()] == ["chat.json"], "nothing is left beside it"
    model = scripted_model(ANSWER)
    again = Chat.load(str(tmp_path / "chat.json"), model)
    assert again.model is model
    assert again.messages[:3] == chat.messages[:3]
    saved = json.loads((tmp_path / "chat.json").read_text())
    assert [saved[key] for key in ("model", "revision", "device")] == ["fake", "r1", "cpu"]
    first, second = chat.say("go on"), again.say("go on")
    assert first.prompt_tokens == second.prompt_tokens
    assert first.sampling == second.sampling
    again.save(tmp_path / "chat.json")
    assert Chat.load(tmp_path / "chat.json", model).messages == again.messages


def test_saving_replaces_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "chat.json"
    chat = full_chat()
    chat.save(path)
    path.chmod(0o600)
    (tmp_path / "link.json").symlink_to(path)
    chat.reset()
    chat.save(tmp_path / "link.json")
    assert json.loads(path.read_text())["messages"] == []
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()

    def disk_full(handle):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        full_chat().save(path)
    assert path.read_text() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["chat.json", "link.json"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("not JSON", "is not a saved chat: it must be a JSON file"),
        ("[]", 'is not a saved chat: it must have "format": "ossnb chat"'),
        ({"format": "x"}, "is not a saved chat"),
        ({"version": 2}, "is a chat of version 2, this ossnb reads 1"),
        ({"messages": "x"}, "damaged chat: messages must be a list, got str"),
        ({"messages": [{"role": "user"}]}, "message 0 must be an object with role and content"),
        ({"messages": [{"role": "king", "content": "x"}]}, "message role must be one of"),
        ({"messages": [{"role": "user", "content": None}]}, "message 0: content must be text, got None"),
        ({"messages": [{"role": "user", "content": "x", "id": "y"}]}, "message 0 has an unknown field 'id'"),
        ({"effort": "max"}, "damaged chat: effort must be one of"),
        ({"sampling": {"temprature": 1}}, "damaged chat: sampling has an unknown field 'temprature'"),
        (
            {"sampling": {"logit_bias": {"x": 1}}},
            "damaged chat: logit_bias key must be an integer >= 0, got 'x'",
        ),
        ({"sampling": []}, "sampling must be an object, got list"),
        ({"tools": "weather"}, "tools must be a list of objects"),
        ({"instructions": 3}, "instructions must be text, got int"),
    ],
)
def test_a_file_that_is_no_chat_is_refused(tmp_path, change, why):
    path = tmp_path / "chat.json"
    full_chat().save(path)
    content = change if isinstance(change, str) else json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(why)):
        Chat.load(path, scripted_model(ANSWER))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
        Chat.load(tmp_path / "nothing.json", scripted_model(ANSWER))


def test_a_chat_that_met_half_a_character_goes_on_and_is_saved(tmp_path):
    half = TOKENIZER.encode("👩")[0]
    start = TOKENIZER.encode("<|channel|>commentary to=functions.f", special=True)
    script = [*start, half, *TOKENIZER.encode("<|message|>{}<|call|>", special=True)]
    model = scripted_model(script)
    model.source = "folder\udcff"  # as Python reads a path that is no UTF-8
    chat = model.chat("Be \ud800 brief.", stop=["\udfff"])
    chat.messages.append({"role": "user", "content": "\ud800", "name": "n\ud800"})
    (call,) = chat.say("a\ud800").tool_calls
    assert call.name == "f"
    chat.tool_result(call, "\udc80")
    chat.say()
    chat.save(tmp_path / "chat.json")
    again = Chat.load(tmp_path / "chat.json", model)
    assert again.messages[1:] == chat.messages[1:]


def test_a_chat_has_one_open_stream():
    chat = echo_model().chat()
    first = chat.stream("a")
    for open_another in (chat.stream, chat.say):
        with pytest.raises(Busy, match=r"another answer of this chat is being written: .*close"):
            open_another("b")
    next(first)
    with pytest.raises(Busy):
        chat.say("b", at=0)
    assert first.run().text == "1"
    assert chat.say("c").text == "2"
    assert [m.content for m in chat.messages] == ["a", "1", "c", "2"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_stream_that_was_closed_or_let_go_of_is_open_no_more(begun):
    chat = scripted_model(ANSWER).chat()
    for n, end in enumerate([lambda stream: stream.close(), lambda stream: None]):
        stream = chat.stream("a")
        if begun:
            next(stream)
        end(stream)
        del stream
        assert chat.say("b").text == "Hello there!", n


def test_a_turn_that_could_not_begin_is_open_no_more():
    chat = scripted_model(ANSWER).chat()
    kept = []
    for text, options in (("word " * 5000, {}), ("a", {"top_p": 7}), ("a", {"at": 5}), (None, {}), (3, {})):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            chat.stream(text, **options)
        kept.append(caught)  # its traceback holds the turn, as a notebook's does
    assert chat.say("b").text == "Hello there!"


def test_of_two_threads_in_one_chat_one_answers_and_one_is_told():
    model, chats = echo_model(), []
    for _ in range(5):
        chat = model.chat()
        gate, outcomes = threading.Barrier(2), []

        def say(text, chat=chat, gate=gate, outcomes=outcomes):
            gate.wait()
            try:
                outcomes.append(chat.say(text).text)
            except Busy:
                outcomes.append("busy")

        threads = [threading.Thread(target=say, args=(text,)) for text in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        chats.append((chat, outcomes))
    for chat, outcomes in chats:
        assert sorted(outcomes) in (["1", "2"], ["1", "busy"])
        texts = [m.content for m in chat.messages]
        assert texts[1::2] == [str(i + 1) for i in range(len(texts) // 2)]


@pytest.mark.parametrize("at", [-1, 3, True, "0", 1.0])
def test_a_place_that_the_messages_do_not_have_is_refused(at):
    chat = echo_model().chat()
    chat.say("a")
    with pytest.raises(ValueError, match=r"at must be .*in 0\.\.2, a place in the messages"):
        chat.say("b", at=at)


def edited(edit):
    """What a chat remembers of a turn in place of "b" and "2" when its messages are edited meanwhile."""
    chat = echo_model().chat()
    chat.say("a")
    chat.say("b")
    stream = chat.stream("c", at=2)
    next(stream)
    edit(chat.messages)
    stream.run()
    return [m.content for m in chat.messages]


def test_a_turn_replaces_its_messages_wherever_they_stand_in_the_end():
    extra = Message("user", "x")
    assert edited(lambda messages: None) == ["a", "1", "c", "2"]
    assert edited(lambda messages: messages.append(extra)) == ["a", "1", "x", "c", "2"]
    assert edited(lambda messages: messages.insert(0, extra)) == ["x", "a", "1", "c", "2"]
    assert edited(lambda messages: messages.__delitem__(slice(0, 2))) == ["c", "2"]
    assert edited(lambda messages: messages.clear()) == ["c", "2"]
    assert edited(lambda messages: messages.__delitem__(slice(2, None))) == ["a", "1", "c", "2"]


def test_a_message_that_stands_twice_is_replaced_once():
    chat = echo_model().chat()
    chat.messages = [Message("user", "x")] * 3
    assert chat.say("y", at=1).text == "2"
    assert [m.content for m in chat.messages] == ["x", "y", "2"]
