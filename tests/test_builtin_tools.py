"""Tools of any kind in the loop: built-in ones, boxes of tools, and calls that end early."""

from __future__ import annotations

import threading

import openai_harmony as oh
import pytest

from fakes import model_of_rounds
from ossnb.generation.question import Question
from ossnb.harmony.messages import Message, ToolCall
from ossnb.harmony.prompt import call_names, render
from ossnb.harmony.tokenizer import Tokenizer, encoding
from ossnb.tools.function import Function
from ossnb.tools.tool import Result, Tool, Toolbox
from ossnb.tools.toolkit import Calls, Toolkit

TRAINED = oh.ToolNamespaceConfig.python()
CALL = "<|channel|>analysis to=python code<|message|>print(1)<|call|>"
OPEN = '<|channel|>analysis to=browser.open code<|message|>{"id": 3}<|call|>'
ANSWER = "<|channel|>final<|message|>One.<|return|>"
FIRST = {"name": "first", "description": "The first."}


class Echo(Tool):
    """A stand-in for a built-in tool. It answers with the code that it was given."""

    name = "python"

    def __init__(self, description=TRAINED.description, answer=None):
        self.definition = {"type": "builtin", "name": "python", "description": description, "functions": []}
        self.answer = answer

    def bind(self, call):
        return self.answer or (lambda: f"ran {call.raw}")


class Browser(Tool):
    name = "browser"
    definition = {  # noqa: RUF012
        "type": "builtin",
        "name": "browser",
        "description": "Looks at pages.",
        "functions": [
            {"name": "search", "description": "Search."},
            {"name": "open", "description": "Open.", "parameters": {"type": "object", "properties": {}}},
        ],
    }

    def bind(self, call):
        return lambda: f"{call.name} {call.arguments}"


class Box(Toolbox):
    @property
    def tools(self):
        return [Function(lambda: "1", "first", "The first."), Echo()]


def system_of(config):
    content = oh.SystemContent.new().with_reasoning_effort(oh.ReasoningEffort.MEDIUM).with_tools(config)
    return encoding().render(oh.Message.from_role_and_content(oh.Role.SYSTEM, content))


def golden(config, *messages):
    """What the library renders after a system message with these tools."""
    framed = []
    for m in messages:
        message = oh.Message.from_author_and_content(oh.Author(role=oh.Role(m.role), name=m.name), m.content)
        message.channel, message.recipient, message.content_type = m.channel, m.recipient, m.content_type
        framed.append(message)
    config_of = oh.RenderConversationConfig(auto_drop_analysis=False)
    conversation = oh.Conversation.from_messages(framed)
    ids = encoding().render_conversation_for_completion(conversation, oh.Role.ASSISTANT, config_of)
    return system_of(config) + ids


def test_a_built_in_tool_is_declared_as_the_library_does_token_by_token():
    tools = [Echo().definition]
    assert render([Message("user", "1?")], tools=tools) == golden(TRAINED, Message("user", "1?"))


def test_a_namespace_of_functions_is_declared_as_the_library_does():
    config = oh.ToolNamespaceConfig.browser()
    functions = [tool.model_dump() for tool in config.tools]
    tool = {"type": "builtin", "name": "browser", "description": config.description, "functions": functions}
    text = Tokenizer().decode(render([Message("user", "1?")], tools=[tool]))
    assert text.startswith(Tokenizer().decode(system_of(config)).split("type open")[0])
    assert call_names(tool) == ("browser.search", "browser.open", "browser.find")


def test_functions_and_built_in_tools_are_declared_side_by_side():
    text = Tokenizer().decode(render([Message("user", "1?")], tools=[FIRST, Echo("Runs code.").definition]))
    assert "# Tools\n\n## python\n\nRuns code.\n\n# Valid channels" in text
    assert "Calls to these tools must go to the commentary channel: 'functions'.<|end|>" in text
    assert "namespace functions {\n\n// The first.\ntype first = () => any;" in text


def test_a_call_goes_to_its_tool_and_the_result_returns_as_trained():
    reply = model_of_rounds(CALL, OPEN, ANSWER).generate("1?", tools=[Echo(), Browser()], seed=1)
    assert [(s.name, s.result, s.error) for s in reply.steps] == [
        ("python", "ran print(1)", None),
        ("browser.open", "browser.open {'id': 3}", None),
    ]
    assert [(m.role, m.name, m.recipient, m.channel) for m in reply.messages[:2]] == [
        ("assistant", None, "python", "analysis"),
        ("tool", "python", "assistant", "analysis"),
    ]
    text = Tokenizer().decode(reply.prompt_tokens)
    assert "to=python code<|message|>print(1)<|call|><|start|>python to=assistant<|channel|>analysis" in text


def test_a_round_is_rendered_as_the_library_does():
    script = "<|channel|>analysis to=python <|constrain|>code<|message|>print(1)<|call|>"
    reply = model_of_rounds(" to=python" + script.replace(" to=python ", " "), ANSWER).generate(
        "1?", tools=[Echo()], seed=1
    )
    said = [Message("user", "1?"), *reply.messages[:-1]]
    assert reply.prompt_tokens == golden(TRAINED, *said) == render(said, tools=[Echo().definition])


def test_a_box_stands_for_its_tools():
    question = Question.of("1?", tools=[Box(), {"name": "now"}])
    assert [call_names(tool) for tool in question.tools] == [("first",), ("python",), ("now",)]
    assert [tool.name for tool in question.toolkit.tools] == ["first", "python"]
    with pytest.raises(ValueError, match="must be a list of functions or dicts, got Box"):
        Question.of("1?", tools=Box())


def test_a_built_in_tool_without_a_tool_is_the_callers():
    reply = model_of_rounds(CALL, ANSWER).generate("1?", tools=[Echo().definition, lambda_of()], seed=1)
    assert (reply.finish_reason, reply.steps) == ("tool_calls", [])
    assert [call.recipient for call in reply.tool_calls] == ["python"]


def lambda_of():
    return Function(lambda: 1, "one")


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"name": "container", "description": ""}, "name must be one of python, browser, got 'container'"),
        ({"name": "python"}, "tool 'python': description must be a str, got NoneType"),
        ({"name": "python", "description": "", "functions": {}}, "functions must be a list, got dict"),
        ({"name": "browser", "description": "", "functions": [{"name": "a b"}]}, "got 'a b'"),
    ],
)
def test_a_built_in_tool_that_is_none_is_told(definition, message):
    with pytest.raises(ValueError, match=message):
        Question.of("1?", tools=[{"type": "builtin", **definition}])


def test_a_tool_twice_is_told():
    with pytest.raises(ValueError, match="'python': each tool must have a name of its own"):
        Question.of("1?", tools=[Echo(), Echo()])


def carried_out(answer, **limits):
    call = ToolCall.parse("python", "print(1)")
    return Calls(Toolkit((Echo(answer=answer),), **limits), ["python"]).carry_out(call)


def test_a_result_has_a_note_pictures_and_an_error():
    step = carried_out(lambda: Result("x" * 20_000, "a note", (b"png",), "KeyError: 1", "trace"))
    assert (step.note, step.pictures) == ("a note; the result was cut from 20,000 characters", (b"png",))
    assert (step.error, step.traceback) == ("KeyError: 1", "trace")
    assert "4,000 of 20,000 characters are left out here" in step.result


class Endless:
    """A call that waits until it is ended."""

    def __init__(self):
        self._end = threading.Event()
        self._why = ""

    def __call__(self):
        assert self._end.wait(20)
        return Result("half", error=self._why)

    def stop(self, why):
        self._why = why
        self._end.set()


def test_a_call_that_can_be_ended_gives_its_result_after_the_time():
    step = carried_out(Endless(), timeout=0.1)
    assert (step.result, step.error) == ("half", "it took longer than 0.1 s")
    assert step.seconds < 10


@pytest.mark.parametrize("runs_here", [False, True])
def test_a_tool_that_asks_is_asked_about_and_runs_where_it_belongs(runs_here, monkeypatch):
    class Careful(Echo):
        asks = True

    Careful.runs_here = runs_here
    tool = Careful(answer=lambda: str(threading.current_thread() is threading.main_thread()))
    call, said = ToolCall.parse("python", "print(1)"), iter(["", "y"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(said))
    calls = Calls(Toolkit((tool,)), ["python"])
    assert calls.carry_out(call).error == "the user declined this call"
    assert calls.carry_out(call).result == str(runs_here)
